//! What a compromised gateway can write as a row of the cluster's own: nothing that those who read it cannot decode.

use super::{Hostile, cluster};
use crate::support::rows::{BUCKET_NAME, bucket_id, key, read};
use bytes::Bytes;
use couronne_base::codec;
use couronne_metadata::command::{Command, Expect, InvalidReason, Refusal};
use couronne_metadata::evaluate::registry;
use couronne_metadata::ids::{BucketId, Ordinal};
use couronne_metadata::system::identity::{self, AccountRow, KeyRow, UserRow};
use couronne_metadata::system::owned::{self, OwnedRow};
use couronne_protocol::range::RangeError;
use couronne_protocol::shard::Owner;

/// A row of each kind but the registry's, and what it holds.
fn rows(id: &str) -> Vec<(String, Bytes)> {
    let created = Ordinal(1);
    let listed = OwnedRow { is_confirmed: true, created, id: bucket_id(100) };
    let sealed = Bytes::from_static(b"sealed");
    let (account_id, account_name, user) = (id.into(), "acme".into(), "eve".into());
    let key = KeyRow { account_id, account_name, user, user_created: created, created, sealed };
    vec![
        (owned::key_of(id, BUCKET_NAME), listed.encode()),
        (identity::account("acme"), codec::encode(&AccountRow { id: id.into(), created })),
        (identity::account_id(id), codec::encode(&Box::<str>::from("acme"))),
        (identity::user(id, "eve"), codec::encode(&UserRow { admin: false, created })),
        (identity::user_key(id, "eve", "KEY"), codec::encode(&Bytes::new())),
        (identity::key("KEY"), codec::encode(&key)),
    ]
}

impl Hostile {
    async fn write_row(&self, at: &str, value: Bytes) -> Result<(), RangeError> {
        let owner = Owner { bucket: BucketId::SYSTEM, key: key(at) };
        let write = Command::SystemWrite { expect: Expect::Any, value: Some(value) };
        self.command(&owner, write).await.map(|_| ())
    }

    async fn is_no_row(&self, at: &str, value: Bytes) {
        let before = read(&self.env, &self.node, at).await;
        let refused = Err(RangeError::Refused(Refusal::Invalid(InvalidReason::NotOfRow)));
        assert_eq!(self.write_row(at, value.clone()).await, refused, "{at}: {value:?}");
        assert_eq!(read(&self.env, &self.node, at).await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hostile_gateway_writes_no_row_that_cannot_be_read() {
    let cluster = cluster(43).await;
    let hostile = Hostile::join(&cluster).await;
    let id = "0a".repeat(32);
    for (at, value) in rows(&id) {
        let of_codec = codec::encode(&Bytes::from_static(b"\xff\xff"));
        for garbage in [Bytes::new(), Bytes::from_static(b"garbage"), of_codec] {
            hostile.is_no_row(&at, garbage).await;
        }
        hostile.write_row(&at, value).await.unwrap();
        hostile.is_no_row(&at, Bytes::from_static(b"\xff")).await;
    }
    // What decodes, and belongs to another key.
    let [owned, account, ..] = &rows(&id)[..] else { panic!() };
    hostile.is_no_row(&owned::key_of(&id, "other"), owned.1.clone()).await;
    hostile.is_no_row("owned/nothing", owned.1.clone()).await;
    hostile.is_no_row(&identity::account_id("no id"), rows(&id)[2].1.clone()).await;
    let no_id = AccountRow { id: "no id".into(), created: Ordinal(1) };
    hostile.is_no_row(&account.0, codec::encode(&no_id)).await;
    let registry = registry::key_of("any").unwrap();
    let answer = hostile.write_row(registry.as_str(), Bytes::from_static(b"garbage")).await;
    assert_eq!(answer, Err(RangeError::Refused(Refusal::Invalid(InvalidReason::NoStep))));
}
