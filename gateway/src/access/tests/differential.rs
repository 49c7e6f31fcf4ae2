//! The decision against the second evaluator: random policies and requests of a small alphabet, so that they meet often.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::access::acl::{AclOf, CannedAcl};
use crate::access::policy::{Policy, PolicyKind};

/// A JSON list of one to three of these.
fn some_of(items: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(select(items), 1..=3).prop_map(|items| format!("{items:?}"))
}

fn action() -> impl Strategy<Value = String> {
    let patterns: &[&str] = &[
        "*",
        "s3:*",
        "s3:Get*",
        "s3:*Object",
        "s3:GETobject",
        "s3:PutObject",
        "s3:?etObject",
        "s3:ListBucket",
        "s3:*Policy",
        "iam:*",
    ];
    let negated = prop::bool::weighted(0.1);
    (negated, some_of(patterns)).prop_map(|(not, items)| format!("\"{}Action\":{items}", if not { "Not" } else { "" }))
}

fn resource() -> impl Strategy<Value = String> {
    let patterns: &[&str] = &[
        "*",
        "arn:aws:s3:::b",
        "arn:aws:s3:::b/*",
        "arn:aws:s3:::*",
        "arn:aws:s3:::b/${aws:username}/*",
        "arn:aws:s3:::?/bob/*",
        "arn:aws:s3:::b/x${*}",
        "arn:aws:s3:::c/*",
        "arn:aws:s3:::${s3:prefix}",
    ];
    let negated = prop::bool::weighted(0.1);
    (negated, some_of(patterns))
        .prop_map(|(not, items)| format!("\"{}Resource\":{items}", if not { "Not" } else { "" }))
}

fn condition() -> impl Strategy<Value = String> {
    let text =
        select(&["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"][..]);
    let set = select(&["", "", "ForAllValues:", "ForAnyValue:"][..]);
    let exists = select(&["", "IfExists"][..]);
    let text_key = select(&["aws:username", "s3:prefix", "aws:TagKeys", "s3:ExistingObjectTag/team"][..]);
    let text_values =
        some_of(&["bob", "BOB", "b*", "x", "", "${aws:username}", "${s3:prefix}", "${aws:TagKeys}", "?ob", "${*}"]);
    let number = select(&["NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericGreaterThanEquals"][..]);
    let arn = select(&["ArnLike", "ArnNotLike", "ArnEquals"][..]);
    let arns = some_of(&[
        "arn:aws:iam::111122223333:user/*",
        "arn:aws:iam::111122223333:role/r",
        "arn:aws:iam::*:root",
        "arn:aws:*:*:*:*",
    ]);
    prop_oneof![
        4 => (set.clone(), text, exists.clone(), text_key, text_values)
            .prop_map(|(set, op, exists, key, values)| format!("\"{set}{op}{exists}\":{{\"{key}\":{values}}}")),
        1 => (set.clone(), number, exists.clone(), some_of(&["1", "2", "-1", "1.5"]))
            .prop_map(|(set, op, exists, values)| format!("\"{set}{op}{exists}\":{{\"s3:max-keys\":{values}}}")),
        1 => (set, arn, exists.clone(), arns)
            .prop_map(|(set, op, exists, values)| format!("\"{set}{op}{exists}\":{{\"aws:PrincipalArn\":{values}}}")),
        1 => (select(&["IpAddress", "NotIpAddress"][..]), exists.clone(), some_of(&["1.2.3.0/24", "9.9.9.0/24"]))
            .prop_map(|(op, exists, values)| format!("\"{op}{exists}\":{{\"aws:SourceIp\":{values}}}")),
        1 => (exists, select(&["true", "false"][..]))
            .prop_map(|(exists, value)| format!("\"Bool{exists}\":{{\"aws:SecureTransport\":\"{value}\"}}")),
        1 => (select(&["aws:username", "s3:prefix", "aws:TagKeys"][..]), select(&["true", "false"][..]))
            .prop_map(|(key, value)| format!("\"Null\":{{\"{key}\":\"{value}\"}}")),
    ]
}

fn principal_element() -> impl Strategy<Value = String> {
    let aws = some_of(&[
        "*",
        "111122223333",
        "arn:aws:iam::444455556666:root",
        "arn:aws:iam::111122223333:user/bob",
        "arn:aws:iam::444455556666:user/bob",
        "arn:aws:iam::111122223333:role/r",
        "arn:aws:sts::111122223333:assumed-role/r/s",
        "arn:aws:sts::111122223333:federated-user/f",
        "arn:aws:iam::111122223333:root",
        "444455556666",
    ]);
    let everything = r#"{"AWS":["111122223333","arn:aws:iam::111122223333:user/bob","arn:aws:iam::111122223333:role/r",
        "arn:aws:sts::111122223333:assumed-role/r/s"]}"#;
    prop_oneof![
        2 => Just("\"*\"".to_owned()),
        6 => aws.prop_map(|names| format!("{{\"AWS\":{names}}}")),
        1 => Just(everything.to_owned()),
        1 => Just(r#"{"CanonicalUser":"canonical-444455556666","Service":"logging.s3.amazonaws.com"}"#.to_owned()),
    ]
}

fn statement(of_bucket: bool) -> impl Strategy<Value = String> {
    let conditions = prop::collection::vec(condition(), 0..=2);
    let parts =
        (prop::bool::weighted(0.25), action(), resource(), conditions, principal_element(), prop::bool::weighted(0.2));
    parts.prop_map(move |(deny, action, resource, mut conditions, named, not)| {
        // An operator stands once.
        conditions.dedup_by_key(|condition| condition.split(":{").next().unwrap().to_owned());
        let not = if not && deny { "Not" } else { "" };
        let named = if of_bucket { format!("\"{not}Principal\":{named},") } else { String::new() };
        let effect = if deny { "Deny" } else { "Allow" };
        let conditions = conditions.join(",");
        format!("{{\"Effect\":\"{effect}\",{named}{action},{resource},\"Condition\":{{{conditions}}}}}")
    })
}

fn document(of_bucket: bool) -> impl Strategy<Value = String> {
    let version = prop::bool::weighted(0.85);
    (version, prop::collection::vec(statement(of_bucket), 1..=3)).prop_map(|(is_2012, statements)| {
        let version = if is_2012 { "2012-10-17" } else { "2008-10-17" };
        format!(r#"{{"Version":"{version}","Statement":[{}]}}"#, statements.join(","))
    })
}

fn principal() -> impl Strategy<Value = Principal<'static>> {
    select(vec![
        Principal::Anonymous,
        root(A),
        root(B),
        user(A, "bob"),
        user(A, "bob"),
        user(A, "eve"),
        user(B, "bob"),
        role_session(A, "r", "s"),
        role_session(A, "r", "t"),
        role_session(B, "r", "s"),
        federated(A, "f", Some("bob")),
        federated(A, "g", None),
        service("logging.s3.amazonaws.com", "arn:aws:s3:::source"),
    ])
}

fn object() -> impl Strategy<Value = TestObject> {
    let acl = prop::option::of(select(CannedAcl::ALL));
    let parts = (select(&[A, A, B][..]), prop::option::of(select(&["bob", "x", ""][..])), acl);
    let read = parts.prop_map(|(owner, team, acl)| TestObject::Read {
        owner: account(owner).canonical.to_owned(),
        tags: team.map(|team| (Box::from("team"), Box::from(team))).into_iter().collect(),
        acl: acl.map(|acl| acl.grants(AclOf::Object, account(owner).canonical, account(A).canonical)),
    });
    prop_oneof![1 => Just(TestObject::None), 2 => read]
}

prop_compose! {
    fn request_keys()(
        prefix in prop::option::of(select(&["bob", "x", "", "b"][..])),
        tags in prop::option::of(prop::collection::vec(select(&["bob", "x"][..]), 0..=2)),
        keys in prop::option::of(select(&["1", "2", "x"][..])),
        ip in prop::option::of(select(&["1.2.3.4", "9.9.9.9"][..])),
        tls in prop::option::of(select(&["true", "false"][..])),
    ) -> Vec<(String, Vec<String>)> {
        let one = |key: &str, value: Option<&str>| value.map(|value| (key.to_owned(), vec![value.to_owned()]));
        let tags = tags.map(|tags| ("aws:tagkeys".to_owned(), tags.into_iter().map(str::to_owned).collect()));
        let keys = [
            one("s3:prefix", prefix), tags, one("s3:max-keys", keys), one("aws:sourceip", ip),
            one("aws:securetransport", tls),
        ];
        keys.into_iter().flatten().collect()
    }
}

prop_compose! {
    fn ask()(
        principal in principal(),
        identity in prop::collection::vec(document(false), 0..=2),
        boundary in prop::option::weighted(0.2, document(false)),
        session in prop::option::weighted(0.3, prop::collection::vec(document(false), 0..=2)),
        policy in prop::option::weighted(0.8, document(true)),
        (acl, ownership, ignore) in (
            prop::option::of(select(CannedAcl::ALL)),
            select(&[ObjectOwnership::BucketOwnerEnforced, ObjectOwnership::ObjectWriter][..]),
            prop::bool::weighted(0.2),
        ),
        (action, key) in prop_oneof![
            (
                select(&["s3:GetObject", "s3:PutObject", "s3:DeleteObject"][..]),
                select(&["x", "bob/x", "x*"][..]).prop_map(Some),
            ),
            (select(&["s3:ListBucket", "s3:GetBucketPolicy"][..]), Just(None)),
        ],
        object in object(),
        keys in request_keys(),
    ) -> AccessCase {
        let acl = acl.map(|acl| acl.grants(AclOf::Bucket, account(A).canonical, account(A).canonical));
        let block = PublicAccessBlock { ignore_public_acls: ignore, ..PublicAccessBlock::default() };
        let object = if key.is_some() { object } else { TestObject::None };
        let ask = AccessCase::new(principal, action).on("b", key).object(object);
        AccessCase { identity, boundary, session, policy, acl, ownership, block, keys, ..ask }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn both_evaluators_agree(ask in ask()) {
        prop_assert_eq!(ask.allows(), oracle::allows(&ask), "{}", ask.reason());
    }

    #[test]
    fn an_answer_without_the_object_is_the_answer_with_any(ask in ask(), others in prop::collection::vec(object(), 3)) {
        let unread = ask.clone().object(if ask.key.is_some() { TestObject::Unread } else { TestObject::None });
        let answer = unread.answer(|decision| match decision {
            Decision::Read(needs) => Err(needs),
            decided => Ok(decided.is_allow()),
        });
        match answer {
            Ok(allows) => for object in others.into_iter().filter(|_| ask.key.is_some()).chain([TestObject::None]) {
                prop_assert_eq!(ask.clone().object(object).allows(), allows);
            },
            Err(needs) => prop_assert!(needs.any()),
        }
    }

    #[test]
    fn narrowing_never_widens(ask in ask(), more in document(false)) {
        // What one more policy of the session or boundary leaves allowed was allowed without it.
        if !ask.allows() && ask.session.is_none() && !matches!(ask.principal, Principal::FederatedUser(_)) {
            prop_assert!(!ask.clone().session(&[&more]).allows());
        }
        if !ask.allows() && ask.boundary.is_none() {
            prop_assert!(!ask.clone().boundary(&more).allows());
        }
    }

    #[test]
    fn what_is_printed_is_read_again(of_bucket in document(true), of_identity in document(false)) {
        for document in [of_bucket, of_identity] {
            let StoredPolicy::Readable(policy) = StoredPolicy::read(&document) else { panic!("{document}") };
            let printed = policy.to_string();
            prop_assert_eq!(&StoredPolicy::read(&printed), &StoredPolicy::Readable(policy));
            let same = |kind| Policy::parse(&document, kind).is_ok() == Policy::parse(&printed, kind).is_ok();
            prop_assert!(same(PolicyKind::Bucket("b")) && same(PolicyKind::Managed), "{}", printed);
        }
    }
}

#[test]
fn the_alphabet_meets_often() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let asks = (0..2_000).map(|_| ask().new_tree(&mut runner).unwrap().current());
    let allowed = asks.filter(AccessCase::allows).count();
    assert!((200..1_800).contains(&allowed), "{allowed} of 2,000 are allowed");
}
