//! The examples that AWS publishes, as cases: each policy is put as its kind, and decides as its page says.
//!
//! From the user guides' pages "Bucket policy examples", "User and role policy examples", "Amazon S3 condition key
//! examples", "Policy evaluation logic", "Cross-account policy evaluation logic", "NotPrincipal", "Variables and tags"
//! and "Condition operators".

use super::*;
use crate::access::policy::{Policy, PolicyKind};

fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

/// A policy that S3 would take for this bucket.
fn of_bucket(bucket: &str, statements: &str) -> String {
    let document = document(statements);
    Policy::parse(&document, PolicyKind::Bucket(bucket)).unwrap_or_else(|error| panic!("{error}: {document}"));
    document
}

/// A policy that IAM would take.
fn of_identity(statements: &str) -> String {
    let document = document(statements);
    Policy::parse(&document, PolicyKind::Managed).unwrap_or_else(|error| panic!("{error}: {document}"));
    document
}

#[test]
fn writes_without_encryption_by_a_key_are_denied() {
    let null = of_bucket(
        "b",
        r#"{"Sid":"DenyObjectsThatAreNotSSEKMS","Principal":"*","Effect":"Deny","Action":"s3:PutObject",
            "Resource":"arn:aws:s3:::b/*","Condition":{"Null":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"true"}}}"#,
    );
    let put = |policy: &str| AccessCase::new(root(A), "s3:PutObject").policy(policy);
    let key = "arn:aws:kms:us-east-2:111122223333:key/01234567-89ab-cdef-0123-456789abcdef";
    let by = |ask: AccessCase, key: &str| ask.key_value("s3:x-amz-server-side-encryption-aws-kms-key-id", &[key]);
    assert!(!put(&null).allows() && by(put(&null), key).allows());
    let specific = of_bucket(
        "b",
        &format!(
            r#"{{"Principal":"*","Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*",
            "Condition":{{"ArnNotEqualsIfExists":{{"s3:x-amz-server-side-encryption-aws-kms-key-id":"{key}"}}}}}}"#
        ),
    );
    assert!(by(put(&specific), key).allows() && !by(put(&specific), &key.replace("0123", "9999")).allows());
    assert!(!put(&specific).allows(), "a negated condition holds where there is no key, also with IfExists");
}

#[test]
fn accounts_may_write_with_a_canned_acl() {
    let policy = of_bucket(
        "b",
        r#"{"Sid":"AddPublicReadCannedAcl","Effect":"Allow",
            "Principal":{"AWS":["arn:aws:iam::777788889999:root","arn:aws:iam::444455556666:root"]},
            "Action":["s3:PutObject","s3:PutObjectAcl"],"Resource":"arn:aws:s3:::b/*",
            "Condition":{"StringEquals":{"s3:x-amz-acl":["public-read"]}}}"#,
    );
    let put = |acl: &str| AccessCase::new(root(B), "s3:PutObject").policy(&policy).key_value("s3:x-amz-acl", &[acl]);
    assert!(put("public-read").allows() && !put("private").allows());
    assert!(!AccessCase::new(root(B), "s3:PutObject").policy(&policy).allows());
    assert!(!AccessCase { action: "s3:GetObject".to_owned(), ..put("public-read") }.allows());
}

#[test]
fn objects_are_read_and_tagged_by_their_tags() {
    let read = of_bucket(
        "b",
        r#"{"Principal":{"AWS":"arn:aws:iam::111122223333:role/JohnDoe"},"Effect":"Allow",
            "Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":"arn:aws:s3:::b/*",
            "Condition":{"StringEquals":{"s3:ExistingObjectTag/environment":"production"}}}"#,
    );
    let john = role_session(A, "JohnDoe", "s");
    let get = |object| AccessCase::new(john, "s3:GetObject").policy(&read).object(object);
    assert!(get(TestObject::tagged("environment", "production")).allows());
    assert!(!get(TestObject::tagged("environment", "test")).allows() && !get(TestObject::None).allows());
    let keys = of_bucket(
        "b",
        r#"{"Principal":{"AWS":["arn:aws:iam::111122223333:role/JohnDoe"]},"Effect":"Allow",
            "Action":["s3:PutObjectTagging"],"Resource":["arn:aws:s3:::b/*"],
            "Condition":{"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["Owner","CreationDate"]}}}"#,
    );
    let tag = |keys_given: &[&str]| {
        AccessCase::new(john, "s3:PutObjectTagging").policy(&keys).key_value("s3:RequestObjectTagKeys", keys_given)
    };
    assert!(tag(&["Owner", "x"]).allows() && !tag(&["x", "y"]).allows() && !tag(&[]).allows());
    let value = of_bucket(
        "b",
        r#"{"Principal":{"AWS":["arn:aws:iam::111122223333:user/JohnDoe"]},"Effect":"Allow","Action":["s3:PutObject"],
            "Resource":["arn:aws:s3:::b/*"],"Condition":{"StringEquals":{"s3:RequestObjectTag/Department":"Finance"}}}"#,
    );
    let put = |value_given: &str| {
        AccessCase::new(user(A, "JohnDoe"), "s3:PutObject")
            .policy(&value)
            .key_value("s3:RequestObjectTag/Department", &[value_given])
    };
    assert!(put("Finance").allows() && !put("finance").allows());
}

#[test]
fn only_log_deliveries_write() {
    let policy = of_bucket(
        "b",
        r#"{"Sid":"AllowPutObjectS3ServerAccessLogsPolicy","Principal":{"Service":"logging.s3.amazonaws.com"},
            "Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*","Condition":{
            "StringEquals":{"aws:SourceAccount":"111122223333"},"ArnLike":{"aws:SourceArn":"arn:aws:s3:::source"}}},
           {"Sid":"RestrictToS3ServerAccessLogs","Effect":"Deny","Principal":"*","Action":"s3:PutObject",
            "Resource":"arn:aws:s3:::b/*","Condition":{"ForAllValues:StringNotEquals":{
            "aws:PrincipalServiceNamesList":"logging.s3.amazonaws.com"}}}"#,
    );
    let put = |principal| AccessCase::new(principal, "s3:PutObject").identity(&allow_all()).policy(&policy);
    assert!(put(service("logging.s3.amazonaws.com", "arn:aws:s3:::source")).allows());
    assert!(!put(user(A, "bob")).allows() && !put(root(A)).allows());
}

#[test]
fn addresses_are_told_apart() {
    let deny = of_bucket(
        "b",
        r#"{"Sid":"IPAllow","Effect":"Deny","Principal":"*","Action":"s3:*",
            "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],
            "Condition":{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}"#,
    );
    let by = |policy: &str, principal, ip: &str| {
        AccessCase::new(principal, "s3:GetObject").policy(policy).key_value("aws:SourceIp", &[ip]).allows()
    };
    assert!(by(&deny, root(A), "192.0.2.9") && !by(&deny, root(A), "203.0.113.1"));
    let mixed = of_bucket(
        "b",
        r#"{"Sid":"AllowIPmix","Effect":"Allow","Principal":"*","Action":"s3:*",
            "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],"Condition":{
            "IpAddress":{"aws:SourceIp":["192.0.2.0/24","2001:DB8:1234:5678::/64"]},
            "NotIpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:DB8:1234:5678:ABCD::/80"]}}}"#,
    );
    for (ip, allowed) in [
        ("192.0.2.1", true),
        ("2001:DB8:1234:5678::1", true),
        ("203.0.113.1", false),
        ("2001:DB8:1234:5678:ABCD::1", false),
    ] {
        assert_eq!(by(&mixed, Principal::Anonymous, ip), allowed, "{ip}");
    }
}

#[test]
fn plain_http_is_denied_and_referers_are_told_apart() {
    let tls = of_bucket(
        "b",
        r#"{"Sid":"RestrictToTLSRequestsOnly","Action":"s3:*","Effect":"Deny",
            "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],
            "Condition":{"Bool":{"aws:SecureTransport":"false"}},"Principal":"*"}"#,
    );
    let get = |secure: &str| {
        AccessCase::new(root(A), "s3:GetObject").policy(&tls).key_value("aws:SecureTransport", &[secure])
    };
    assert!(get("true").allows() && !get("false").allows());
    let referer = of_bucket(
        "b",
        r#"{"Sid":"Allow only GET requests originating from www.example.com and example.com.","Effect":"Allow",
            "Principal":"*","Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":"arn:aws:s3:::b/*",
            "Condition":{"StringLike":{"aws:Referer":["http://www.example.com/*","http://example.com/*"]}}}"#,
    );
    let from = |page: &str| {
        AccessCase::new(Principal::Anonymous, "s3:GetObject")
            .policy(&referer)
            .key_value("aws:Referer", &[page])
            .allows()
    };
    assert!(from("http://example.com/a") && !from("http://example.org/a") && !from("http://example.com"));
    let version = of_bucket(
        "b",
        r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],
            "Condition":{"NumericLessThan":{"s3:TlsVersion":1.2}}}"#,
    );
    let with = |tls: &str| {
        AccessCase::new(root(A), "s3:GetObject").policy(&version).key_value("s3:TlsVersion", &[tls]).allows()
    };
    assert!(with("1.3") && with("1.2") && !with("1.1"));
}

#[test]
fn two_factors_are_required_below_a_prefix() {
    let policy = of_bucket(
        "b",
        r#"{"Sid":"","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/taxdocuments/*",
            "Condition":{"Null":{"aws:MultiFactorAuthAge":true}}},
           {"Sid":"","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/taxdocuments/*",
            "Condition":{"NumericGreaterThan":{"aws:MultiFactorAuthAge":3600}}}"#,
    );
    let get = |key| AccessCase::new(root(A), "s3:GetObject").policy(&policy).on("b", Some(key));
    let aged = |age: &str| get("taxdocuments/x").key_value("aws:MultiFactorAuthAge", &[age]).allows();
    assert!(!get("taxdocuments/x").allows() && get("other").allows());
    assert!(aged("60") && aged("3600") && !aged("3601") && aged("x"), "what is no number compares with none");
}

#[test]
fn everybody_has_a_folder() {
    let policy = of_identity(
        r#"{"Sid":"AllowGroupToSeeBucketListInTheConsole","Action":["s3:ListAllMyBuckets","s3:GetBucketLocation"],
            "Effect":"Allow","Resource":"arn:aws:s3:::*"},
           {"Sid":"AllowRootLevelListingOfTheBucket","Action":"s3:ListBucket","Effect":"Allow",
            "Resource":"arn:aws:s3:::b","Condition":{"StringEquals":{"s3:prefix":[""],"s3:delimiter":["/"]}}},
           {"Sid":"AllowListBucketOfASpecificUserPrefix","Action":"s3:ListBucket","Effect":"Allow",
            "Resource":"arn:aws:s3:::b","Condition":{"StringLike":{"s3:prefix":["${aws:username}/*"]}}},
           {"Sid":"AllowUserSpecificActionsOnlyInTheSpecificUserPrefix","Effect":"Allow",
            "Action":["s3:PutObject","s3:GetObject","s3:GetObjectVersion","s3:DeleteObject","s3:DeleteObjectVersion"],
            "Resource":"arn:aws:s3:::b/${aws:username}/*"}"#,
    );
    let mary = |action: &str, key| AccessCase::new(user(A, "Mary"), action).identity(&policy).on("b", key);
    assert!(mary("s3:GetObject", Some("Mary/x")).allows() && !mary("s3:GetObject", Some("Carlos/x")).allows());
    assert!(!mary("s3:PutObjectAcl", Some("Mary/x")).allows() && mary("s3:GetBucketLocation", None).allows());
    let list = |prefix: &str| mary("s3:ListBucket", None).key_value("s3:prefix", &[prefix]);
    assert!(list("Mary/").allows() && list("Mary/x").allows() && !list("Carlos/").allows());
    assert!(!list("").allows() && list("").key_value("s3:delimiter", &["/"]).allows());
    let by_id =
        of_identity(r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/home/${aws:userid}/*"}"#);
    let get = |key| AccessCase::new(user(A, "Mary"), "s3:GetObject").identity(&by_id).on("b", Some(key)).allows();
    assert!(get("home/AIDAEXAMPLE/x") && !get("home/Mary/x"));
}

#[test]
fn a_partner_drops_files_and_does_nothing_else() {
    let policy = of_identity(
        r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/uploads/anycompany/*"},
           {"Effect":"Deny","Action":"s3:*","NotResource":"arn:aws:s3:::b/uploads/anycompany/*"}"#,
    );
    let ask = |action: &str, key| {
        AccessCase::new(user(A, "partner"), action).identity(&policy).on("b", key).policy(&allow_to("\"*\"")).allows()
    };
    assert!(ask("s3:PutObject", Some("uploads/anycompany/x")) && ask("s3:GetObject", Some("uploads/anycompany/x")));
    assert!(!ask("s3:PutObject", Some("uploads/x")) && !ask("s3:ListBucket", None));
}

#[test]
fn principals_stay_with_buckets_of_their_account() {
    let policy = of_identity(
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"},
           {"Sid":"DenyS3AccessOutsideMyBoundary","Effect":"Deny","Action":["s3:*"],"Resource":"arn:aws:s3:::*/*",
            "Condition":{"StringNotEquals":{"aws:ResourceAccount":["222222222222"]}}}"#,
    );
    assert!(!AccessCase::new(user(A, "bob"), "s3:GetObject").identity(&policy).allows());
    let of_a = policy.replace("222222222222", A);
    assert!(AccessCase::new(user(A, "bob"), "s3:GetObject").identity(&of_a).allows());
}

#[test]
fn copies_come_from_one_place() {
    let policy = of_bucket(
        "b",
        r#"{"Sid":"cross-account permission to user in your own account","Effect":"Allow",
            "Principal":{"AWS":"arn:aws:iam::111122223333:user/Dave"},"Action":"s3:PutObject",
            "Resource":"arn:aws:s3:::b/*"},
           {"Sid":"Deny your user permission to upload object if copy source is not /bucket/folder","Effect":"Deny",
            "Principal":{"AWS":"arn:aws:iam::111122223333:user/Dave"},"Action":"s3:PutObject",
            "Resource":"arn:aws:s3:::b/*","Condition":{"StringNotLike":{"s3:x-amz-copy-source":"b/public/*"}}}"#,
    );
    let copy = |source: &[&str]| {
        let ask = AccessCase::new(user(A, "Dave"), "s3:PutObject").policy(&policy);
        source.iter().fold(ask, |ask, source| ask.key_value("s3:x-amz-copy-source", &[source])).allows()
    };
    assert!(copy(&["b/public/x"]) && !copy(&["b/private/x"]) && !copy(&[]), "a write that is no copy is denied, too");
}

#[test]
fn carlos_writes_where_no_log_is() {
    let identity = of_identity(
        r#"{"Sid":"AllowS3ListRead","Effect":"Allow","Action":["s3:GetBucketLocation",
            "s3:GetAccountPublicAccessBlock","s3:ListAccessPoints","s3:ListAllMyBuckets"],"Resource":"arn:aws:s3:::*"},
           {"Sid":"AllowS3Self","Effect":"Allow","Action":"s3:*",
            "Resource":["arn:aws:s3:::carlossalazar/*","arn:aws:s3:::carlossalazar"]},
           {"Sid":"DenyS3Logs","Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::*log*"}"#,
    );
    let policy = of_bucket(
        "carlossalazar",
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/carlossalazar"},"Action":"s3:*",
            "Resource":["arn:aws:s3:::carlossalazar/*","arn:aws:s3:::carlossalazar"]}"#,
    );
    let put = |bucket: &str, policy: Option<&str>| {
        let ask = AccessCase::new(user(A, "carlossalazar"), "s3:PutObject").identity(&identity).on(bucket, Some("x"));
        AccessCase { policy: policy.map(str::to_owned), ..ask }
    };
    let to_logs = put("carlossalazar-logs", None);
    assert!(!to_logs.allows());
    assert_eq!(to_logs.reason(), "identity policy identity, statement 2 (DenyS3Logs)");
    assert!(put("carlossalazar", Some(&policy)).allows() && put("carlossalazar", None).allows());
}

#[test]
fn carlos_of_another_account_needs_both() {
    let identity = of_identity(
        r#"{"Sid":"AllowS3ProductionObjectActions","Effect":"Allow","Action":"s3:*Object*",
            "Resource":"arn:aws:s3:::production/*"},
           {"Sid":"DenyS3Logs","Effect":"Deny","Action":"s3:*",
            "Resource":["arn:aws:s3:::*log*","arn:aws:s3:::*log*/*"]}"#,
    );
    let policy = of_bucket(
        "production",
        r#"{"Effect":"Allow","Action":["s3:GetObject*","s3:PutObject*","s3:ReplicateObject","s3:RestoreObject"],
            "Principal":{"AWS":"arn:aws:iam::444455556666:user/carlossalazar"},"Resource":"arn:aws:s3:::production/*"}"#,
    );
    let put = |action: &str, key| {
        let ask = AccessCase::new(user(B, "carlossalazar"), action).identity(&identity).policy(&policy);
        ask.on("production", Some(key)).allows()
    };
    assert!(put("s3:PutObject", "x") && !put("s3:DeleteObject", "x") && !put("s3:PutObject", "a-log"));
}

#[test]
fn everybody_but_bob_is_denied() {
    let policy = of_bucket(
        "b",
        r#"{"Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::444455556666:user/Bob","arn:aws:iam::444455556666:root"]},
            "Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]},
           {"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"s3:*","Resource":"arn:aws:s3:::b/*"}"#,
    );
    let get = |name| AccessCase::new(user(B, name), "s3:GetObject").identity(&allow_all()).policy(&policy).allows();
    assert!(get("Bob") && !get("Eve"));
    let by_arn = of_bucket(
        "b",
        r#"{"Sid":"UsePrincipalArnInsteadOfNotPrincipalWithDeny","Effect":"Deny","Action":"s3:*","Principal":"*",
            "Resource":["arn:aws:s3:::b/*","arn:aws:s3:::b"],
            "Condition":{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:user/user-name"}}}"#,
    );
    let get = |principal| AccessCase::new(principal, "s3:GetObject").identity(&allow_all()).policy(&by_arn).allows();
    assert!(get(user(A, "user-name")) && !get(user(A, "other")) && !get(root(A)));
}

#[test]
fn tags_of_principals_and_their_defaults_choose_a_bucket() {
    let policy = of_identity(
        r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b-${aws:PrincipalTag/team, 'company-wide'}/*"}"#,
    );
    let tags = Box::leak(Box::new([(Box::from("Team"), Box::from("yellow"))]));
    let tagged = Principal::User(UserRef { tags, ..user_ref(A, "bob") });
    let get = |principal, bucket: &str| {
        AccessCase::new(principal, "s3:GetObject").identity(&policy).on(bucket, Some("k")).allows()
    };
    assert!(get(tagged, "b-yellow") && !get(tagged, "b-company-wide"));
    assert!(get(user(A, "bob"), "b-company-wide") && !get(user(A, "bob"), "b-yellow"));
    let deny = of_identity(
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"},
           {"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*",
            "Condition":{"StringNotEquals":{"s3:ExistingObjectTag/Team":"${aws:PrincipalTag/Team}"}}}"#,
    );
    let get = |principal| {
        let ask = AccessCase::new(principal, "s3:GetObject").identity(&deny);
        ask.object(TestObject::tagged("Team", "yellow")).allows()
    };
    assert!(get(tagged) && !get(user(A, "bob")), "denied where the principal has no tag");
}

#[test]
fn time_comes_with_the_question() {
    let policy = of_identity(
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{
            "DateGreaterThan":{"aws:CurrentTime":"2017-07-01T00:00:00Z"},
            "DateLessThan":{"aws:EpochTime":"2017-12-31T23:59:59Z"}}}"#,
    );
    let at =
        |now_ms| AccessCase { now_ms, ..AccessCase::new(user(A, "bob"), "s3:GetObject").identity(&policy) }.allows();
    assert!(at(1_500_000_000_000) && !at(1_498_867_200_000) && at(1_498_867_200_001) && !at(1_600_000_000_000));
}

#[test]
fn listings_are_bounded() {
    let policy = of_identity(
        r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b",
            "Condition":{"NumericLessThanEquals":{"s3:max-keys":"10"}}}"#,
    );
    let list = |keys: &str| {
        AccessCase::new(user(A, "bob"), "s3:ListBucket")
            .identity(&policy)
            .on("b", None)
            .key_value("s3:max-keys", &[keys])
            .allows()
    };
    assert!(list("9") && list("10") && !list("11") && !list("ten"));
    assert!(!AccessCase::new(user(A, "bob"), "s3:ListBucket").identity(&policy).on("b", None).allows());
}
