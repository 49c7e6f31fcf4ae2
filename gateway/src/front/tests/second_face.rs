//! A face that is not S3 runs through the same stages and the same server.

use std::time::Duration;

use super::*;
use crate::engine::Settings;
use crate::front::ByPath;

#[tokio::test]
async fn it_has_its_own_operations_errors_and_answers() {
    let server = ToyServer::new().await;
    server.put("k", "hello").await;
    let shown = server.get("k").await;
    assert_eq!((shown.status, shown.body.as_slice()), (200, b"hello".as_slice()), "{shown:?}");
    assert_eq!(shown.header("x-toy-id").unwrap().len(), 16);
    assert_eq!(shown.header("server"), Some("Couronne"));
    let framed = server.ask("PUT", "/bkt/framed").header("x-toy-framed", "yes");
    assert_eq!(server.send(&framed.clone().body(b"\x03hel\x02lo\0")).await.status, 200);
    assert_eq!(server.get("framed").await.body, b"hello");
    for broken in [&b"\x03hel\x02lo"[..], b"\x03hel\0x"] {
        let answer = server.send(&framed.clone().body(broken)).await;
        assert_eq!((answer.status, answer.word()), (400, "broken-body"), "{answer:?}");
    }

    let gone = server.get("none").await;
    assert_eq!((gone.status, gone.word()), (404, "no-such-note"), "{gone:?}");
    assert_eq!(gone.between("\"of\":\"", "\""), "/bkt/none");
    assert_eq!(gone.between("\"id\":\"", "\""), gone.header("x-toy-id").unwrap());
    for answer in [&shown, &gone] {
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("x-amz")), "{answer:?}");
    }
    let page = server.world.metrics.render().unwrap();
    for line in [
        "couronne_requests_total{code=\"OK\",operation=\"ShowNote\"} 2",
        "couronne_requests_total{code=\"no-such-note\",operation=\"ShowNote\"} 1",
        "couronne_received_bytes_total{operation=\"KeepNote\"}",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
}

#[tokio::test]
async fn it_is_authenticated_and_authorized() {
    let server = ToyServer::new().await;
    server.put("k", "content").await;
    let before = server.world.cluster.ranges.commands().len();
    for method in ["PUT", "GET", "DELETE"] {
        for target in ["/bkt/k", "/bkt/none", "/nowhere/k"] {
            let ask = server.ask(method, target).body("other content");
            let unknown = server.send(&ask.clone().with_wrong_secret()).await;
            assert_eq!((unknown.status, unknown.word()), (401, "who-are-you"), "{method} {target}");
        }
    }
    for (method, target) in [("PUT", "/bkt/k"), ("GET", "/bkt/k"), ("GET", "/bkt/none")] {
        let by_other = server.ask(method, target).keys(&server.world.other).body("other content");
        let denied = server.send(&by_other).await;
        assert_eq!((denied.status, denied.word()), (403, "not-yours"), "{method} {target}");
    }
    let elsewhere = server.send(&server.ask("GET", "/bkt/k").header("x-toy-bucket", "other")).await;
    assert_eq!((elsewhere.status, elsewhere.word()), (409, "another-bucket"));
    assert_eq!(server.send(&server.ask("DELETE", "/bkt/k")).await.word(), "no-such-thing");
    assert_eq!(server.send(&server.ask("GET", "/nowhere/k")).await.word(), "no-such-bucket");
    assert_eq!(server.world.cluster.ranges.commands().len(), before, "something was changed");
    assert_eq!(server.get("k").await.body, b"content");
}

/// The server's engine remembers the bucket; another gateway gives it other rules, or to another account.
#[tokio::test]
async fn a_stale_bucket_is_resolved_and_authorized_again() {
    let server = ToyServer::new().await;
    server.put("k", "hello").await;
    let other = server.world.cluster.another_engine(Settings::default());
    let touch = async || {
        let bucket = other.resolve_bucket_now("bkt").await.unwrap();
        other.update_rules(&bucket, |rules| Ok(rules.clone())).await.unwrap();
    };
    touch().await;
    assert_eq!(server.get("k").await.body, b"hello");
    touch().await;
    server.put("k2", "x").await;

    let bucket = other.resolve_bucket_now("bkt").await.unwrap();
    for note in ["k", "k2"] {
        let key = couronne_metadata::ids::ObjectKey::new(note.to_owned()).unwrap();
        other.delete(&bucket, &key, crate::engine::DeleteObjectRequest::default()).await.unwrap();
    }
    // First a read, then (the name is the owner's again, and remembered) a write.
    for method in ["GET", "PUT"] {
        other.delete_bucket(&other.resolve_bucket_now("bkt").await.unwrap()).await.unwrap();
        server.world.bucket("bkt", "other").await;
        let denied = server.send(&server.ask(method, "/bkt/k").body("mine")).await;
        assert_eq!((denied.status, denied.word()), (403, "not-yours"), "{method}: {denied:?}");
        other.delete_bucket(&other.resolve_bucket_now("bkt").await.unwrap()).await.unwrap();
        server.world.bucket("bkt", "acme").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        let answer = server.send(&server.ask("GET", "/bkt/k").keys(&server.world.other)).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(server.get("k").await.word(), "no-such-note");
    }
}

#[tokio::test]
async fn two_faces_share_a_listener_by_path() {
    let world = World::new().await;
    world.bucket("bkt", "acme").await;
    let quick = FrontSettings { body_stall_ms: 100, ..FrontSettings::default() };
    let faces = ByPath {
        prefix: "/notes",
        below: world.gateway(Toy, FrontSettings::default()),
        others: world.gateway(Toy, quick),
    };
    let listener = listen(faces, ServerSettings::default(), None).await;
    let server = ToyServer { world, listener };
    let put = server.ask("PUT", "/notes/bkt/k").body("hello").wire();
    let (head, tail) = put.split_at(put.len() - 2);
    let mut connection = wire::open(server.listener.address, head).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    wire::write(&mut connection, tail).await;
    assert_eq!(wire::read(&mut connection).await.status, 200, "the face below the path is patient");
    let put = server.ask("PUT", "/bkt/k").body("hello").wire();
    let mut connection = wire::open(server.listener.address, &put[..put.len() - 2]).await;
    assert_eq!(wire::read(&mut connection).await.word(), "too-slow", "the other is not");
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_under_way() {
    let server = ToyServer::new().await;
    let wire = server.ask("PUT", "/bkt/k").body("hello").wire();
    let (head, tail) = wire.split_at(wire.len() - 3);
    let Listener { address, shutdown, ended } = server.listener;
    let mut connection = wire::open(address, head).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _ = shutdown.send(());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!ended.is_finished());
    wire::write(&mut connection, tail).await;
    assert_eq!(wire::read(&mut connection).await.status, 200);
    tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap().unwrap();
}
