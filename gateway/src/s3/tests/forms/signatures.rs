//! By which caller a form is, and what that caller may do.

use super::*;

#[tokio::test]
async fn both_versions_are_taken() {
    let server = S3Server::new().await;
    for signing in VERSIONS {
        let form = server.form("a/cat").field("Content-Type", "image/png").field("x-amz-meta-mood", "loud");
        let answer = server.post(&form.sign(signing).file(format!("{signing:?}"))).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{answer:?}");
        let kept = server.get("a/cat").await;
        assert_eq!(kept.text(), format!("{signing:?}"));
        assert_eq!((kept.header("content-type"), kept.header("x-amz-meta-mood")), (Some("image/png"), Some("loud")));
        assert_eq!(answer.header("etag"), kept.header("etag"));
    }
}

#[tokio::test]
async fn a_form_is_its_callers_or_nobodys() {
    let server = S3Server::with_open_bucket().await;
    let public = server.ask("PUT", "/bkt?acl").header("x-amz-acl", "public-read-write");
    assert_eq!(server.send(&public).await.status, 200, "even where all may write, a wrong signature is refused");
    for signing in VERSIONS {
        let form = || server.form("k").sign(signing);
        let mut wrong_secret = form();
        wrong_secret.keys.secret.push('x');
        server.refuses(&wrong_secret, 403, "SignatureDoesNotMatch").await;
        let mut unknown = form();
        unknown.keys.access_key.push('x');
        server.refuses(&unknown, 403, "InvalidAccessKeyId").await;
        let policy = form().changed("Policy", &BASE64_STANDARD.encode(form().policy(&[])));
        server.refuses(&policy, 403, "SignatureDoesNotMatch").await;
    }
    for (name, value, code) in [
        ("X-Amz-Signature", "zz", "SignatureDoesNotMatch"),
        ("Signature", "zz", "SignatureDoesNotMatch"),
        ("X-Amz-Signature", "", "InvalidArgument"),
        ("Signature", "", "InvalidArgument"),
        ("AWSAccessKeyId", "", "InvalidArgument"),
        ("Policy", "", "InvalidArgument"),
        ("X-Amz-Algorithm", "", "InvalidArgument"),
        ("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256", "InvalidArgument"),
        ("X-Amz-Credential", "", "InvalidArgument"),
        ("X-Amz-Credential", "KEYOFACME", "InvalidArgument"),
        ("X-Amz-Credential", "KEYOFACME/20000101/us-east-1/s3/aws4_request", "InvalidArgument"),
        ("X-Amz-Date", "", "InvalidArgument"),
        ("x-amz-security-token", "none", "InvalidToken"),
    ] {
        let is_v4 = name.to_ascii_lowercase().starts_with("x-amz-");
        for signing in VERSIONS.into_iter().filter(|signing| name == "Policy" || is_v4 == (*signing == Signing::V4)) {
            let form = server.form("k").sign(signing).changed(name, value);
            server
                .refuses(&form, if code == "InvalidArgument" || code == "InvalidToken" { 400 } else { 403 }, code)
                .await;
        }
    }
    let other_region = server.form("k").changed("X-Amz-Credential", &{
        let fields = server.form("k").signed_fields();
        fields.iter().find(|(name, _)| name == "X-Amz-Credential").unwrap().1.replace("us-east-1", "eu-west-9")
    });
    server.refuses(&other_region, 400, "InvalidArgument").await;
}

/// A policy lets its form do what its signer may do, and no more.
#[tokio::test]
async fn another_accounts_signature_does_not_open_a_bucket() {
    let server = S3Server::new().await;
    for signing in VERSIONS {
        let mut form = server.form("k").sign(signing);
        form.keys = server.world.other.clone();
        server.refuses(&form, 403, "AccessDenied").await;
    }
    assert_eq!(server.get("k").await.code(), "NoSuchKey");
}

#[tokio::test]
async fn a_form_is_signed_in_one_place() {
    let server = S3Server::new().await;
    for signing in [Signing::V4, Signing::None] {
        let form = server.form("k").sign(signing);
        let ask =
            server.ask("POST", "/bkt").header("content-type", "multipart/form-data; boundary=bndry").body(form.body());
        for place in [Place::Header, Place::Query] {
            let answer = server.send(&ask.clone().how(place, PayloadMode::Signed, Defect::None)).await;
            assert_eq!((answer.status, answer.code()), (400, "InvalidArgument"), "{answer:?}");
        }
    }
    let no_form = server.send(&server.ask("POST", "/bkt").body("key=k")).await;
    assert_eq!((no_form.status, no_form.code()), (412, "PreconditionFailed"), "{no_form:?}");
    assert_eq!(server.get("k").await.code(), "NoSuchKey");
}

#[tokio::test]
async fn a_form_that_nobody_signed_does_what_everybody_may() {
    let closed = S3Server::new().await;
    closed.refuses(&closed.form("k").sign(Signing::None), 403, "AccessDenied").await;
    let open = S3Server::with_open_bucket().await;
    open.refuses(&open.form("k").sign(Signing::None), 403, "AccessDenied").await;
    let public = open.ask("PUT", "/bkt?acl").header("x-amz-acl", "public-read-write");
    assert_eq!(open.send(&public).await.status, 200);
    assert_eq!(open.post(&open.form("k").sign(Signing::None)).await.status, 204);
    let read = open.ask("GET", "/bkt/k");
    let unsigned = open.send(&read.how(Place::Header, PayloadMode::Unsigned, Defect::Anonymous)).await;
    assert_eq!(unsigned.status, 403, "the object is nobody's to read: {unsigned:?}");
    // Its list is its writer's, and its tags are not.
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    open.refuses(&open.form("k").sign(Signing::None).field("tagging", tags), 403, "AccessDenied").await;
    assert_eq!(open.post(&open.form("k").sign(Signing::None).field("acl", "public-read")).await.status, 204);
    let read = open.ask("GET", "/bkt/k").how(Place::Header, PayloadMode::Unsigned, Defect::Anonymous);
    assert_eq!(open.send(&read).await.body, b"meow");
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObjectAcl",
        "Resource":"arn:aws:s3:::bkt/*"}]}"#;
    assert_eq!(open.send(&open.ask("PUT", "/bkt?policy").body(deny)).await.status, 204);
    open.refuses(&open.form("k").sign(Signing::None).field("acl", "public-read"), 403, "AccessDenied").await;
}

/// What a form asks for needs what the same would need of a PutObject.
#[tokio::test]
async fn a_form_is_decided_as_the_write_that_it_is() {
    let server = S3Server::new().await;
    assert_eq!(server.send(&server.ask("DELETE", "/bkt?publicAccessBlock")).await.status, 204);
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let policy = |actions: &str, condition: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":[{actions}],
               "Resource":"arn:aws:s3:::bkt/in/*"{condition}}}]}}"#
        )
    };
    let set = async |document: String| {
        assert_eq!(server.send(&server.ask("PUT", "/bkt?policy").body(document)).await.status, 204);
    };
    set(policy("\"s3:PutObject\"", "")).await;
    let unsigned = |key: &str| server.form(key).sign(Signing::None);
    assert_eq!(server.post(&unsigned("in/k")).await.status, 204);
    server.refuses(&unsigned("out/k"), 403, "AccessDenied").await;
    server.refuses(&unsigned("in/k").field("acl", "public-read"), 403, "AccessDenied").await;
    server.refuses(&unsigned("in/k").field("tagging", tags), 403, "AccessDenied").await;
    set(policy(
        "\"s3:PutObject\",\"s3:PutObjectTagging\"",
        r#","Condition":{"StringEquals":{"s3:authType":"POST","s3:RequestObjectTag/a":"b"}}"#,
    ))
    .await;
    server.refuses(&unsigned("in/k"), 403, "AccessDenied").await;
    assert_eq!(server.post(&unsigned("in/k").field("tagging", tags)).await.status, 204);
    let shown = server.send(&server.ask("GET", "/bkt/in/k?tagging")).await;
    assert!(shown.text().contains("<Key>a</Key><Value>b</Value>"), "{shown:?}");
    let put = server.ask("PUT", "/bkt/in/k").header("x-amz-tagging", "a=b").body("x");
    let put = server.send(&put.how(Place::Header, PayloadMode::Unsigned, Defect::Anonymous)).await;
    assert_eq!(put.status, 403, "the condition is for forms: {put:?}");
}

#[tokio::test]
async fn the_expected_owner_is_compared_wherever_it_stands() {
    let server = S3Server::new().await;
    let own = server.world.identity.account("acme").await.unwrap().number;
    for (number, is_right) in [(&*own, true), ("111122223333", false)] {
        let in_field = server.form("k").field("x-amz-expected-bucket-owner", number);
        let mut in_head = server.form("k");
        in_head.headers.push(("x-amz-expected-bucket-owner".to_owned(), number.to_owned()));
        for form in [in_field, in_head] {
            if is_right {
                assert_eq!(server.post(&form).await.status, 204);
            } else {
                server.refuses(&form, 403, "AccessDenied").await;
            }
        }
    }
}

/// The server remembers the bucket's rules; another gateway changed them. What was read of the form before does not keep it
/// from being decided again.
#[tokio::test]
async fn a_form_for_a_bucket_that_changed_is_decided_again() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    let other = server.world.cluster.another_engine(crate::engine::Settings::default());
    let bucket = other.resolve_bucket_now("bkt").await.unwrap();
    other.update_rules(&bucket, |rules| Ok(rules.clone())).await.unwrap();
    let mut form = server.form("k");
    form.headers.push(("if-none-match".to_owned(), "*".to_owned()));
    server.refuses_once_more(&form).await;
    assert_eq!(server.post(&server.form("k")).await.status, 204);
    assert_eq!(server.get("k").await.body, b"meow");
}

impl S3Server {
    /// A condition in the head counts, and is compared at the range.
    async fn refuses_once_more(&self, form: &FormAsk) {
        let answer = self.post(form).await;
        assert_eq!((answer.status, answer.code()), (412, "PreconditionFailed"), "{answer:?}");
        assert_eq!(self.get("k").await.body, b"hello");
    }
}
