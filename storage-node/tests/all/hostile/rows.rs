//! What a compromised gateway can write as a row of the cluster's own: nothing that those who read it cannot decode.

use super::{Hostile, cluster};
use crate::support::rows::{BUCKET_NAME, bucket_id, key, read};
use bytes::Bytes;
use couronne_base::codec;
use couronne_metadata::command::{Command, Expect, InvalidReason, Refusal};
use couronne_metadata::evaluate::registry;
use couronne_metadata::ids::{BucketId, Ordinal};
use couronne_metadata::system::identity::{
    self, ATTACHED_MAX, AccountRow, AttachedPolicy, GROUPS_MAX, Grants, GroupRow, KeyRow, KeyUsedRow, PolicyRow,
    PolicyVersion, PublicAccessBlock, RoleRow, UserRow,
};
use couronne_metadata::system::owned::{self, OwnedRow};
use couronne_protocol::range::RangeError;
use couronne_protocol::shard::Owner;

/// The ids of what the rows are of.
const USER: &str = "AIDAABCDEFGHIJKLMNOP";
const GROUP: &str = "AGPAABCDEFGHIJKLMNOP";
const ROLE: &str = "AROAABCDEFGHIJKLMNOP";
const POLICY: &str = "ANPAABCDEFGHIJKLMNOP";

fn account() -> AccountRow {
    let (number, name) = ("000000000012".into(), "acme".into());
    AccountRow { number, name, email: None, created: Ordinal(1), block: PublicAccessBlock::default() }
}

fn user(account_id: &str) -> UserRow {
    UserRow {
        account_id: account_id.into(),
        name: "eve".into(),
        path: "/".into(),
        created: Ordinal(1),
        tags: Vec::new(),
        grants: Grants::default(),
        groups: vec![GROUP.into()],
    }
}

fn policy(account_id: &str) -> PolicyRow {
    let UserRow { account_id, name, path, created, tags, .. } = user(account_id);
    let versions = vec![PolicyVersion { number: 2, document: "{}".into(), created }];
    let description = "".into();
    PolicyRow { account_id, name, path, created, updated: created, tags, description, versions, default: 2, next: 3 }
}

/// A row of each kind but the registry's, and what it holds.
fn rows(id: &str) -> Vec<(String, Bytes)> {
    let created = Ordinal(1);
    let listed = OwnedRow { is_confirmed: true, created, id: bucket_id(100) };
    let sealed = Bytes::from_static(b"sealed");
    let UserRow { account_id, name, path, tags, grants, .. } = user(id);
    let group =
        GroupRow { account_id: id.into(), name: name.clone(), path: path.clone(), created, grants: grants.clone() };
    let (trust, description) = ("{}".into(), "".into());
    let role = RoleRow { account_id, name, path, created, tags, grants, trust, session_s_max: 3600, description };
    let (account_id, owner, description) = (id.into(), USER.into(), "".into());
    let (expires_s, session_policy) = (None, None);
    let key = KeyRow { account_id, owner, is_active: true, expires_s, session_policy, description, created, sealed };
    let used = KeyUsedRow { created, used_s: 7, service: "s3".into(), region: "r".into() };
    let text = |text: &str| codec::encode(&Box::<str>::from(text));
    let nothing = || codec::encode(&Bytes::new());
    vec![
        (owned::key_of(id, BUCKET_NAME), listed.encode()),
        (identity::entity::<AccountRow>(id), codec::encode(&account())),
        (identity::name::<AccountRow>("", "acme"), text(id)),
        (identity::account_number("000000000012"), text(id)),
        (identity::entity::<UserRow>(USER), codec::encode(&user(id))),
        (identity::name::<UserRow>(id, "Eve"), text(USER)),
        (identity::entity::<GroupRow>(GROUP), codec::encode(&group)),
        (identity::name::<GroupRow>(id, "eve"), text(GROUP)),
        (identity::entity::<RoleRow>(ROLE), codec::encode(&role)),
        (identity::name::<RoleRow>(id, "eve"), text(ROLE)),
        (identity::entity::<PolicyRow>(POLICY), codec::encode(&policy(id))),
        (identity::name::<PolicyRow>(id, "eve"), text(POLICY)),
        (identity::key("KEY"), codec::encode(&key)),
        (identity::key_of(USER, "KEY"), nothing()),
        (identity::key_used("KEY"), codec::encode(&used)),
        (identity::member(GROUP, USER), nothing()),
        (identity::policy_use(id, POLICY, USER), nothing()),
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
    let all = rows(&id);
    let owned = &all[0];
    hostile.is_no_row(&owned::key_of(&id, "other"), owned.1.clone()).await;
    hostile.is_no_row("owned/nothing", owned.1.clone()).await;
    let value = |at: String| all.iter().find(|(key, _)| *key == at).unwrap().1.clone();
    let of_user = value(identity::entity::<UserRow>(USER));
    for wrong in ["AIDA", &USER.to_lowercase(), "AIDAABCDEFGHIJKLMNO1", GROUP] {
        hostile.is_no_row(&identity::entity::<UserRow>(wrong), of_user.clone()).await;
        hostile.is_no_row(&identity::name::<UserRow>(&id, "eve"), codec::encode(&Box::<str>::from(wrong))).await;
    }
    for wrong in ["12", "000000000000", "00000000000a", "0000000000012"] {
        let number = value(identity::account_number("000000000012"));
        hostile.is_no_row(&identity::account_number(wrong), number).await;
        let row = AccountRow { number: wrong.into(), ..account() };
        hostile.is_no_row(&identity::entity::<AccountRow>(&id), codec::encode(&row)).await;
    }
    hostile.is_no_row(&identity::entity::<AccountRow>("no id"), codec::encode(&account())).await;
    hostile.is_no_row(&identity::name::<AccountRow>("", "acme"), codec::encode(&Box::<str>::from("no id"))).await;
    // More than readers take, and a policy without the version that counts.
    let attached = |at: usize| AttachedPolicy { arn: format!("arn:{at}").into(), id: POLICY.into() };
    let grants = Grants { attached: (0..=ATTACHED_MAX).map(attached).collect(), ..Grants::default() };
    let groups = (0..=GROUPS_MAX).map(|_| GROUP.into()).collect();
    for row in [UserRow { grants, ..user(&id) }, UserRow { groups, ..user(&id) }, user("no id")] {
        hostile.is_no_row(&identity::entity::<UserRow>(USER), codec::encode(&row)).await;
    }
    let row = PolicyRow { default: 1, ..policy(&id) };
    hostile.is_no_row(&identity::entity::<PolicyRow>(POLICY), codec::encode(&row)).await;
    let registry = registry::key_of("any").unwrap();
    let answer = hostile.write_row(registry.as_str(), Bytes::from_static(b"garbage")).await;
    assert_eq!(answer, Err(RangeError::Refused(Refusal::Invalid(InvalidReason::NoStep))));
}
