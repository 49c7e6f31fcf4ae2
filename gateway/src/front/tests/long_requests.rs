//! A request that takes long is decided again before it commits: a key that is deleted meanwhile writes nothing.

use std::time::Duration;

use couronne_metadata::command::Refusal;
use couronne_metadata::ids::ObjectKey;

use super::toy::Toy;
use super::*;
use crate::engine::EngineError;
use crate::identity::KeyOwner;

/// A bound that a test can wait for.
const BOUND_MS: u64 = 100;

#[tokio::test]
async fn a_key_that_is_deleted_under_a_long_upload_writes_nothing() {
    let mut world = World::new().await;
    let settings = IdentitySettings { credential_cache_ms: BOUND_MS, ..IdentitySettings::default() };
    world.identity = Identity::new(world.cluster.engine.clone(), secrets(), settings).unwrap();
    let bucket = world.bucket("bkt", "acme").await;
    let listener = listen(world.gateway(Toy, FrontSettings::default()), ServerSettings::default(), None).await;
    let server = ToyServer { world, listener };
    let World { identity, cluster, .. } = &server.world;
    for (note, is_deleted, expected) in [("kept", false, (200, "")), ("lost", true, (403, "gone"))] {
        // What was heard before counts no more, so that the request is seen to ask.
        tokio::time::sleep(Duration::from_millis(3 * BOUND_MS)).await;
        let (ask, before) = (server.ask("PUT", &format!("/bkt/{note}")).body("all of it"), cluster.ranges.queries());
        let mut connection = wire::open(server.listener.address, &ask.head()).await;
        wire::write(&mut connection, b"all ").await;
        while cluster.ranges.queries() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(3 * BOUND_MS)).await;
        if is_deleted {
            let account = identity.account("acme").await.unwrap();
            identity.delete_key(&account, KeyOwner::Any, &server.world.owner.access_key).await.unwrap();
        }
        wire::write(&mut connection, b"of it").await;
        let answer = wire::read(&mut connection).await;
        assert_eq!(answer.status, expected.0, "{answer:?}");
        assert!(answer.text().contains(expected.1), "{answer:?}");
        let found = cluster.engine.open(&bucket, &ObjectKey::new(note).unwrap(), None).await;
        match is_deleted {
            true => assert!(matches!(found, Err(EngineError::Refused(Refusal::NoSuchKey)))),
            false => assert_eq!(found.unwrap().record().size, 9),
        }
    }
}
