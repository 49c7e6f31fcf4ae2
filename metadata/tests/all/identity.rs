//! Rows of identities: their golden bytes, and the count of their changes.

use bytes::Bytes;
use couronne_base::codec::{decode, encode};
use couronne_metadata::apply::apply;
use couronne_metadata::command::{Command, Expect, Outcome, Refusal};
use couronne_metadata::effect::Effect;
use couronne_metadata::ids::{BucketId, Ordinal};
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::Versioning;
use couronne_metadata::store::{Store as _, Write};
use couronne_metadata::system::identity::{
    self, AccountRow, AttachedPolicy, Grants, GroupRow, InlinePolicy, KeyRow, KeyUsedRow, PolicyRow, PolicyVersion,
    PublicAccessBlock, RoleRow, Tag, UserRow,
};

use crate::support::{Range, object_key};

fn account() -> AccountRow {
    let (number, name, email) = ("000000000012".into(), "acme".into(), Some("a@b".into()));
    let block = PublicAccessBlock { block_public_acls: true, restrict_public_buckets: true, ..Default::default() };
    AccountRow { number, name, email, created: Ordinal(1), block }
}

fn grants() -> Grants {
    let policy = |arn: &str, id: &str| AttachedPolicy { arn: arn.into(), id: id.into() };
    Grants {
        inline: vec![InlinePolicy { name: "in".into(), document: "{}".into() }],
        attached: vec![policy("p", "P")],
        boundary: Some(policy("b", "B")),
    }
}

fn user() -> UserRow {
    UserRow {
        account_id: "acc".into(),
        name: "Eve".into(),
        path: "/".into(),
        created: Ordinal(2),
        tags: vec![Tag { key: "k".into(), value: "".into() }],
        grants: grants(),
        groups: vec!["G".into(), "H".into()],
    }
}

fn group() -> GroupRow {
    let UserRow { account_id, name, path, created, .. } = user();
    GroupRow { account_id, name, path, created, grants: Grants::default() }
}

fn role() -> RoleRow {
    let UserRow { account_id, name, path, created, tags, grants, .. } = user();
    let (trust, description) = ("{}".into(), "d".into());
    RoleRow { account_id, name, path, created, tags, grants, trust, session_s_max: 3_600, description }
}

fn policy() -> PolicyRow {
    let UserRow { account_id, name, path, created, tags, .. } = user();
    let version = PolicyVersion { number: 2, document: "{}".into(), created: Ordinal(3) };
    PolicyRow {
        account_id,
        name,
        path,
        created,
        updated: Ordinal(3),
        tags,
        description: "d".into(),
        versions: vec![version],
        default: 2,
        next: 3,
    }
}

fn access_key() -> KeyRow {
    KeyRow {
        account_id: "acc".into(),
        owner: "U".into(),
        is_active: true,
        expires_s: Some(5),
        session_policy: Some("{}".into()),
        description: "d".into(),
        created: Ordinal(4),
        sealed: Bytes::from_static(&[9]),
    }
}

#[test]
fn golden_bytes_of_every_row() {
    let hex = |bytes: Bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let golden = [
        ("account", hex(encode(&account()))),
        ("user", hex(encode(&user()))),
        ("group", hex(encode(&group()))),
        ("role", hex(encode(&role()))),
        ("policy", hex(encode(&policy()))),
        ("key", hex(encode(&access_key()))),
    ];
    let expected = [
        ("account", "01010c303030303030303030303132020461636d650303614062040101050401000400"),
        (
            "user",
            "010103616363020345766503012f040102050501016b0200061a01080102696e02027b7d02060101700201500306010162020142070147070148",
        ),
        ("group", "010103616363020345766503012f0401020500"),
        (
            "role",
            "010103616363020345766503012f040102050501016b0200061a01080102696e02027b7d0206010170020150030601016202014207027b7d0802901c090164",
        ),
        ("policy", "010103616363020345766503012f040102050103060501016b0200070164080a01010202027b7d0301030901020a0103"),
        ("key", "010103616363020155030004010505027b7d060164070104080109"),
    ];
    assert_eq!(golden.each_ref().map(|(kind, bytes)| (*kind, bytes.as_str())), expected);
    assert_eq!(decode::<AccountRow>(&encode(&account())).unwrap(), account());
    assert_eq!(decode::<UserRow>(&encode(&user())).unwrap(), user());
    assert_eq!(decode::<GroupRow>(&encode(&group())).unwrap(), group());
    assert_eq!(decode::<RoleRow>(&encode(&role())).unwrap(), role());
    assert_eq!(decode::<PolicyRow>(&encode(&policy())).unwrap(), policy());
    assert!(decode::<KeyRow>(&encode(&access_key())).unwrap() == access_key());
    let used = KeyUsedRow { created: Ordinal(1), used_s: 2, service: "s3".into(), region: "".into() };
    assert_eq!(decode::<KeyUsedRow>(&encode(&used)).unwrap(), used);
}

fn changes(range: &Range, at: &str) -> (u64, bool) {
    let Answer::Identity(changes, row) = range.query(&Query::Identity { key: object_key(at) }) else { panic!() };
    (changes, row.is_some())
}

#[test]
fn changes_of_what_gateways_decide_by_are_counted_with_the_row() {
    let mut range = Range::new(Versioning::Off);
    range.bucket = BucketId::SYSTEM;
    let id = "0a".repeat(32);
    let user_id = "AIDAABCDEFGHIJKLMNOP";
    let at = identity::entity::<UserRow>(user_id);
    let row = encode(&UserRow { account_id: id.as_str().into(), ..user() });
    let write = |expect, value| Command::SystemWrite { expect, value };
    assert_eq!(changes(&range, &at), (0, false));
    range.run(&at, write(Expect::Absent, Some(row.clone()))).unwrap();
    assert_eq!(changes(&range, &at), (1, true));
    assert_eq!(range.run(&at, write(Expect::Absent, Some(row.clone()))), Err(Refusal::Conflict));
    assert_eq!(changes(&range, &at), (1, true), "nothing was written");
    let Outcome::Done { ordinal } = range.run(&at, write(Expect::Any, Some(row))).unwrap() else { panic!() };
    assert_eq!(changes(&range, &at), (2, true));
    // What only lists is not followed.
    let nothing = encode(&Bytes::new());
    for listed in [identity::key_of(user_id, "KEY"), identity::member("G", user_id), "row/a".to_owned()] {
        range.run(&listed, write(Expect::Any, Some(nothing.clone()))).unwrap();
    }
    let name = encode(&Box::<str>::from(user_id));
    range.run(&identity::name::<UserRow>(&id, "eve"), write(Expect::Any, Some(name))).unwrap();
    assert_eq!(changes(&range, &at), (2, true));
    range.run(&at, write(Expect::Version(ordinal), None)).unwrap();
    assert_eq!(changes(&range, &at), (3, false));
}

#[test]
fn a_gateway_cannot_write_the_count() {
    let row = key::of_range(RowKind::IdentityChanges, &[]);
    let mut range = Range::new(Versioning::Off);
    range.bucket = BucketId::SYSTEM;
    for at in ["identity-changes", "\u{61}", "a"] {
        range
            .run(at, Command::SystemWrite { expect: Expect::Any, value: Some(Bytes::from_static(b"\x01\x07")) })
            .unwrap();
    }
    assert_eq!(range.store.view().get(&row).unwrap(), None);
}

/// How effects are put together for application differs from replica to replica.
#[test]
fn the_count_is_the_same_however_effects_are_put_together() {
    let put = |at: &str| {
        let key = key::of_key(RowKind::System, BucketId::SYSTEM, &object_key(at));
        Effect { writes: vec![Write::Put { key, value: Bytes::new() }], ..Effect::default() }
    };
    let effects = [put("user/a"), put("user/b"), put("bucket/c"), put("key/d"), put("users"), put("user")];
    for at in 0..effects.len() {
        let range = Range::new(Versioning::Off);
        for together in [&effects[..at], &effects[at..]] {
            let batch = apply(&*range.store.view(), together).unwrap();
            range.store.apply(&batch).unwrap();
        }
        let count = range.store.view().get(&key::of_range(RowKind::IdentityChanges, &[])).unwrap();
        assert_eq!(count.map(|bytes| decode::<u64>(&bytes).unwrap()), Some(3), "{at}");
    }
}
