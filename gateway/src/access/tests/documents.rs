//! Documents: what is refused and in which words, what is written is read again, and nothing makes the reader panic.

use proptest::prelude::*;

use crate::access::policy::{Policy, PolicyKind, StoredPolicy};

fn refusal(document: &str, kind: PolicyKind<'_>) -> String {
    Policy::parse(document, kind).map_or_else(|error| error.to_string(), |_| "taken".to_owned())
}

/// The refusal of a bucket policy of one statement, with some elements in place of good ones.
fn of_bucket(changes: &[(&str, &str)]) -> String {
    let good = [
        ("Effect", "\"Allow\""),
        ("Principal", "\"*\""),
        ("Action", "\"s3:GetObject\""),
        ("Resource", "\"arn:aws:s3:::b/*\""),
    ];
    refusal(&statement(&good, changes), PolicyKind::Bucket("b"))
}

fn of_identity(changes: &[(&str, &str)]) -> String {
    let good =
        [("Effect", "\"Allow\""), ("Action", "\"s3:ListBucket\""), ("Resource", "\"arn:aws:s3:::example_bucket\"")];
    refusal(&statement(&good, changes), PolicyKind::Managed)
}

/// A changed value of nothing leaves the element out.
fn statement(good: &[(&str, &str)], changes: &[(&str, &str)]) -> String {
    let changed = |name: &str| changes.iter().any(|(other, _)| *other == name);
    let kept = good.iter().filter(|(name, _)| !changed(name));
    let elements = kept.chain(changes).filter(|(_, value)| !value.is_empty());
    let elements: Vec<_> = elements.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!(r#"{{"Version":"2012-10-17","Statement":[{{{}}}]}}"#, elements.join(","))
}

#[test]
fn bucket_policies_are_refused_in_the_words_of_s3() {
    let b = PolicyKind::Bucket("b");
    assert_eq!(refusal("", b), "Policies must be valid JSON and the first byte must be '{'");
    assert_eq!(refusal(" {}", b), "Policies must be valid JSON and the first byte must be '{'");
    assert_eq!(refusal("{", b), "This policy contains invalid Json");
    assert_eq!(refusal("{}", b), "Missing required field Statement");
    assert_eq!(refusal(r#"{"Statement":[]}"#, b), "Could not parse the policy: Statement is empty!");
    assert_eq!(refusal(r#"{"Version":"2012-10-18"}"#, b), "The policy must contain a valid version string");
    assert_eq!(refusal(r#"{"Versio":"2012-10-17"}"#, b), "Invalid policy syntax.");
    let missing = |name| of_bucket(&[(name, "")]);
    assert_eq!(missing("Principal"), "Missing required field Principal cannot be empty!");
    assert_eq!(missing("Action"), "Missing required field Action cannot be empty!");
    assert_eq!(missing("Resource"), "Missing required field Resource cannot be empty!");
    assert_eq!(missing("Effect"), "Missing required field Effect cannot be empty!");
    assert_eq!(of_bucket(&[("Effect", "\"allow\"")]), "Invalid effect: allow");
    assert_eq!(of_bucket(&[("Action", "[]")]), "Missing required field Action cannot be empty!");
    for syntax in [("Sid", "[]"), ("Conditions", "{}"), ("Condition", "[]"), ("Action", "5"), ("NotAction", "\"s3:*\"")]
    {
        assert_eq!(of_bucket(&[syntax]), "Invalid policy syntax.", "{syntax:?}");
    }
    assert_eq!(of_bucket(&[]), "taken");
}

#[test]
fn principals_have_known_forms() {
    let of = |principal: &str| of_bucket(&[("Principal", principal)]);
    for good in [
        r#"{"AWS":"111122223333"}"#,
        r#"{"AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:user/a/b","arn:aws:iam::111122223333:role/r"]}"#,
        r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/r/s"}"#,
        r#"{"AWS":"arn:aws:sts::111122223333:federated-user/f","CanonicalUser":"79a5"}"#,
        r#"{"Service":["logging.s3.amazonaws.com"],"Federated":"idp"}"#,
    ] {
        assert_eq!(of(good), "taken", "{good}");
    }
    for bad in [
        "\"\"",
        "\"111122223333\"",
        "[]",
        "{}",
        "5",
        r#"{"aws":"*"}"#,
        r#"{"AWS":[]}"#,
        r#"{"AWS":""}"#,
        r#"{"AWS":{}}"#,
        r#"{"AWS":"11112222333"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:user/*"}"#,
        r#"{"Service":"*"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:group/g"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:user/"}"#,
        r#"{"AWS":"arn:aws:iam::000000000000:root"}"#,
        r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/r"}"#,
        r#"{"AWS":"arn:aws:s3:::b"}"#,
        r#"{"AWS":"*x"}"#,
    ] {
        assert_eq!(of(bad), "Invalid principal in policy", "{bad}");
    }
    let not = [("Principal", ""), ("NotPrincipal", r#"{"AWS":"111122223333"}"#)];
    assert_eq!(of_bucket(&not), "Allow with NotPrincipal is not allowed");
    assert_eq!(of_bucket(&[not[0], not[1], ("Effect", "\"Deny\"")]), "taken");
}

#[test]
fn resources_are_the_buckets_and_have_the_actions() {
    let of = |action: &str, resource: &str| of_bucket(&[("Action", action), ("Resource", resource)]);
    for bad in
        ["*", "b/*", "arn:aws:s3:::c/*", "arn:aws:s3:::bb", "arn:aws:s3::b/*", "arn:aws:iam::111122223333:user/b"]
    {
        assert_eq!(of("\"s3:GetObject\"", &format!("\"{bad}\"")), "Policy has invalid resource", "{bad}");
    }
    assert_eq!(of("\"s3:GetObject\"", r#"["arn:aws:s3:::b/*","arn:aws:s3:::c/*"]"#), "Policy has invalid resource");
    assert_eq!(of("\"s3:*\"", r#""arn:aws:s3:::*""#), "taken");
    for bad in ["s3:Nothing", "ec2:Start", "GetObject", "s3:", "s3:CreateBucket", "s3:a:b"] {
        assert_eq!(of(&format!("\"{bad}\""), r#""arn:aws:s3:::b/*""#), "Policy has invalid action", "{bad}");
    }
    let mismatch = "Action does not apply to any resource(s) in statement";
    assert_eq!(of("\"s3:GetObject\"", r#""arn:aws:s3:::b""#), mismatch);
    assert_eq!(of("\"s3:ListBucket\"", r#""arn:aws:s3:::b/*""#), mismatch);
    assert_eq!(of(r#"["s3:GetObject","s3:ListBucket"]"#, r#""arn:aws:s3:::b/*""#), mismatch);
    assert_eq!(of(r#"["s3:GetObject","s3:ListBucket"]"#, r#"["arn:aws:s3:::b/*","arn:aws:s3:::b"]"#), "taken");
    assert_eq!(of("\"s3:GETobject*\"", r#""arn:aws:s3:::b/*""#), "taken");
    assert_eq!(of("\"*\"", r#""arn:aws:s3:::b""#), "taken");
}

#[test]
fn conditions_have_operators_keys_and_values() {
    let of = |action: &str, condition: &str| {
        let resource = r#"["arn:aws:s3:::b","arn:aws:s3:::b/*"]"#;
        of_bucket(&[("Action", action), ("Resource", resource), ("Condition", condition)])
    };
    let get = |condition: &str| of("\"s3:GetObject\"", condition);
    assert_eq!(get(r#"{"stringequals":{"aws:Referer":"x"}}"#), "Invalid Condition type : stringequals");
    assert_eq!(get(r#"{"StringEquals":{"s3:nothing":"x"}}"#), "Policy has an invalid condition key");
    assert_eq!(get(r#"{"StringEquals":{"nothing":"x"}}"#), "Policy has an invalid condition key");
    assert_eq!(get(r#"{"StringEquals":{"aws:Nothing":"x"}}"#), "taken");
    let no_action = "Conditions do not apply to combination of actions and resources in statement";
    assert_eq!(get(r#"{"StringEquals":{"s3:prefix":"x"}}"#), no_action);
    assert_eq!(of("\"s3:ListBucket\"", r#"{"StringEquals":{"s3:prefix":"x"}}"#), "taken");
    assert_eq!(get(r#"{"IpAddress":{"aws:SourceIp":"1.2.3"}}"#), "Invalid IP address in Conditions");
    for (operator, value) in
        [("NumericEquals", "x"), ("DateLessThan", "x"), ("Bool", "x"), ("BinaryEquals", "?"), ("Null", "x")]
    {
        let condition = format!(r#"{{"{operator}":{{"aws:Referer":"{value}"}}}}"#);
        assert_eq!(get(&condition), format!("Invalid value in Conditions for operator {operator}"));
    }
    for syntax in
        [r#"{"StringEquals":{"aws:Referer":[]}}"#, r#"{"StringEquals":"x"}"#, r#"{"StringEquals":{"aws:Referer":{}}}"#]
    {
        assert_eq!(get(syntax), "Invalid policy syntax.", "{syntax}");
    }
    assert_eq!(get(r#"{"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"s3:TlsVersion":1.2}}"#), "taken");
}

#[test]
fn policies_of_identities_are_refused_in_the_words_of_iam() {
    let text = |document: &str| refusal(document, PolicyKind::Managed);
    assert_eq!(text("This is not a json document"), "Syntax errors in policy.");
    let old = statement(&[("Effect", "\"Allow\""), ("Action", "\"s3:*\""), ("Resource", "\"*\"")], &[]);
    let version = "Policy document must be version 2012-10-17 or greater.";
    assert_eq!(text(&old.replace("2012", "2008")), version);
    assert_eq!(text(&old.replace(r#""Version":"2012-10-17","#, "")), version);
    assert_eq!(of_identity(&[("Principal", "\"*\"")]), "Policy document should not specify a principal.");
    assert_eq!(of_identity(&[("Resource", "")]), "Policy statement must contain resources.");
    assert_eq!(of_identity(&[("Resource", "[]")]), "Policy statement must contain resources.");
    assert_eq!(of_identity(&[("Action", "[]")]), "Policy statement must contain actions.");
    assert_eq!(of_identity(&[("Effect", "\"denY\"")]), "The policy failed legacy parsing");
    let vendor = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
    assert_eq!(of_identity(&[("Action", "\"invalid\"")]), vendor);
    assert_eq!(of_identity(&[("Action", "\"a a:ListBucket\"")]), "Vendor a a is not valid");
    assert_eq!(of_identity(&[("Action", "\"s3:List:Bucket\"")]), "Actions/Condition can contain only one colon.");
    let resource = "Resource invalid resource must be in ARN format or \"*\".";
    assert_eq!(of_identity(&[("Resource", "\"invalid resource\"")]), resource);
    let partition = "Partition \"error\" is not valid for resource \"arn:error:sqs:::queue\".";
    assert_eq!(of_identity(&[("Resource", "\"arn:error:sqs:::queue\"")]), partition);
    assert_eq!(of_identity(&[("Resource", "\"arn:aws:s3::example_bucket\"")]), "The policy failed legacy parsing");
    assert_eq!(
        of_identity(&[("Condition", r#"{"DateGreaterThan":{"aws:CurrentTime":"sdfdsf"}}"#)]),
        "The policy failed legacy parsing"
    );
    assert_eq!(of_identity(&[("Condition", r#"{"x":{"a":"1"}}"#)]), "Syntax errors in policy.");
    let twice = old.replace('[', r#"[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},"#);
    assert_eq!(text(&twice), "Statement IDs (SID) in a single policy must be unique.");
    assert!(of_identity(&[("Sid", "\"a b\"")]).starts_with("Statement IDs (SID) must be alpha-numeric."));
    for taken in
        [("Action", "\"iam: asdf safdsf af \""), ("Resource", r#"["arn:aws:s33:::x","*"]"#), ("Condition", "{}")]
    {
        assert_eq!(of_identity(&[taken]), "taken");
    }
}

#[test]
fn trust_policies_have_principals_and_no_resources() {
    let of = |changes: &[(&str, &str)]| {
        let good =
            [("Effect", "\"Allow\""), ("Principal", r#"{"AWS":"111122223333"}"#), ("Action", "\"sts:AssumeRole\"")];
        refusal(&statement(&good, changes), PolicyKind::Trust)
    };
    assert_eq!(of(&[]), "taken");
    assert_eq!(of(&[("Resource", "\"*\"")]), "Has prohibited field Resource");
    assert_eq!(of(&[("Principal", "")]), "Missing required field Principal cannot be empty!");
    let action = "AssumeRole policy may only specify STS AssumeRole actions.";
    assert_eq!(of(&[("Action", "\"s3:GetObject\"")]), action);
    assert_eq!(of(&[("Action", "\"*\"")]), action);
}

#[test]
fn keys_stand_once_and_lengths_are_bounded() {
    let good = statement(&[("Effect", "\"Allow\""), ("Action", "\"s3:*\""), ("Resource", "\"*\"")], &[]);
    let twice = good.replace(r#""Effect":"Allow""#, r#""Effect":"Deny","Effect":"Allow""#);
    assert_eq!(refusal(&twice, PolicyKind::Managed), "Syntax errors in policy.");
    let long = |characters: usize| good.replace("s3:*", &format!("s3:{}", "*".repeat(characters)));
    let room = 6_144 - good.len() + 1;
    assert_eq!(refusal(&long(room), PolicyKind::Managed), "taken");
    assert_eq!(refusal(&long(room + 1), PolicyKind::Managed), "Cannot exceed quota for PolicySize: 6144");
    assert_eq!(refusal(&good.replace("[{", &format!("[{}{{", " ".repeat(9_000))), PolicyKind::Managed), "taken");
    assert!(refusal(&long(200_000), PolicyKind::Managed).starts_with("Cannot exceed quota"));
    let of_bucket = |name: usize| {
        let resource = format!("arn:aws:s3:::b/{}", "k".repeat(name));
        statement(
            &[("Effect", "\"Allow\""), ("Principal", "\"*\""), ("Action", "\"s3:GetObject\"")],
            &[("Resource", &format!("\"{resource}\""))],
        )
    };
    let room = 20 * 1024 - of_bucket(0).len();
    assert_eq!(refusal(&of_bucket(room), PolicyKind::Bucket("b")), "taken");
    assert!(refusal(&of_bucket(room + 1), PolicyKind::Bucket("b")).starts_with("Normalized policy document exceeds"));
}

/// JSON that is nearly a policy.
fn nearly() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "Version",
        "2012-10-17",
        "2008-10-17",
        "Statement",
        "Effect",
        "Allow",
        "Deny",
        "Action",
        "NotAction",
        "s3:*",
        "s3:GetObject",
        "*",
        "Resource",
        "NotResource",
        "arn:aws:s3:::b/*",
        "arn:aws:s3:::b/${aws:username}",
        "Principal",
        "NotPrincipal",
        "AWS",
        "111122223333",
        "Condition",
        "StringLike",
        "ForAllValues:StringEqualsIfExists",
        "NumericLessThan",
        "IpAddress",
        "aws:SourceIp",
        "1.2.3.4/8",
        "Sid",
        "Id",
        "${",
        "Null",
        "true",
        "2020-01-01",
        "",
    ]);
    let leaf = prop_oneof![
        4 => word.clone().prop_map(|word| format!("{word:?}")),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => Just("null".to_owned()),
        1 => any::<f64>().prop_map(|number| format!("{number:?}")),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let member = (word.clone(), inner.clone()).prop_map(|(key, value)| format!("{key:?}:{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_document_makes_the_reader_panic(text in ".{0,200}", nearly in nearly()) {
        for document in [text.clone(), format!("{{{text}}}"), nearly] {
            let _ = StoredPolicy::read(&document);
            for kind in [PolicyKind::Managed, PolicyKind::Session, PolicyKind::Trust, PolicyKind::Bucket("b")] {
                if let Err(error) = Policy::parse(&document, kind) {
                    prop_assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}

#[test]
fn a_deep_document_is_refused() {
    let deep = format!("{{\"Statement\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(StoredPolicy::read(&deep), StoredPolicy::Unreadable);
}
