//! What a form's policy allows.

use super::*;

/// What version 4 needs in every policy.
const OF_V4: &str =
    r#"["starts-with","$x-amz-algorithm",""],["starts-with","$x-amz-credential",""],["starts-with","$x-amz-date",""]"#;

impl S3Server {
    async fn posts(&self, form: &FormAsk) {
        let answer = self.post(form).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// The form, signed in both ways under these conditions, is refused; gives the message.
    async fn refuses_by(&self, conditions: &str, form: &FormAsk, status: u16, code: &str) -> String {
        let mut message = String::new();
        for signing in VERSIONS {
            let conditions =
                if signing == Signing::V4 { format!("{conditions},{OF_V4}") } else { conditions.to_owned() };
            let form = form.clone().sign(signing).conditions(&conditions);
            message = self.refuses(&form, status, code).await;
        }
        message
    }
}

#[tokio::test]
async fn each_condition_is_kept() {
    let server = S3Server::new().await;
    for signing in VERSIONS {
        let with = |conditions: &str, form: FormAsk| {
            let own = format!(r#"{{"bucket":"bkt"}},{conditions}"#);
            let own = if signing == Signing::V4 { format!("{own},{OF_V4}") } else { own };
            form.sign(signing).conditions(&own)
        };
        let form = || server.form("a/k").field("x-amz-meta-m", "1");
        for conditions in [
            r#"["starts-with","$key","a/"],{"x-amz-meta-m":"1"}"#,
            r#"["eq","$KEY","a/k"],["StArTs-WiTh","$X-Amz-Meta-M",""],["content-length-range",4,4]"#,
            r#"{"key":"a/k","x-amz-meta-m":"1"},["content-length-range","0","9"]"#,
            r#"["starts-with","$key",""],["starts-with","$x-amz-meta-m",""],["starts-with","$acl",""]"#,
        ] {
            server.posts(&with(conditions, form())).await;
        }
        for conditions in [
            r#"["starts-with","$key","b/"],{"x-amz-meta-m":"1"}"#,
            r#"["eq","$key","a/"],{"x-amz-meta-m":"1"}"#,
            r#"{"key":"a/k","x-amz-meta-m":"2"}"#,
            r#"{"key":"a/k","x-amz-meta-m":"1"},{"acl":"private"}"#,
            r#"{"key":"a/k","x-amz-meta-m":"1"},["starts-with","$acl","p"]"#,
            r#"{"key":"a/k"}"#,
            r#"{"x-amz-meta-m":"1"}"#,
        ] {
            server.refuses(&with(conditions, form()), 403, "AccessDenied").await;
        }
    }
}

#[tokio::test]
async fn a_refusal_says_which_condition_failed() {
    let server = S3Server::new().await;
    let form = server.form("k").field("x-amz-meta-n", "1");
    let bucket = r#"{"bucket":"bkt"},["starts-with","$key",""]"#;
    let said = server.refuses_by(bucket, &form, 403, "AccessDenied").await;
    assert_eq!(said, "Invalid according to Policy: Extra input fields: x-amz-meta-n");
    let failed = format!(r#"{bucket},{{"x-amz-meta-n":"2"}}"#);
    let said = server.refuses_by(&failed, &form, 403, "AccessDenied").await.replace("&quot;", "\"");
    assert_eq!(said, r#"Invalid according to Policy: Policy Condition failed: ["eq","$x-amz-meta-n","2"]"#);
    let mut late = server.form("k");
    late.expires_s = 0;
    let said = server.refuses(&late, 403, "AccessDenied").await;
    assert_eq!(said, "Invalid according to Policy: Policy expired.");
}

/// Both buckets are the signer's: it is the policy that keeps a form to one.
#[tokio::test]
async fn a_policy_is_for_the_bucket_that_it_names() {
    let server = S3Server::new().await;
    assert_eq!(server.send(&server.ask("PUT", "/other")).await.status, 200);
    let mut form = server.form("k");
    form.target = "/other".to_owned();
    server.refuses(&form, 403, "AccessDenied").await;
    // A field of that name says nothing of where the form was sent.
    server.refuses(&form.clone().field("bucket", "bkt"), 403, "AccessDenied").await;
    server.posts(&server.form("k").field("bucket", "bkt")).await;
    server.refuses_by(r#"["starts-with","$key",""]"#, &server.form("k"), 403, "AccessDenied").await;
    server
        .refuses_by(r#"["starts-with","$key",""]"#, &server.form("k").field("bucket", "bkt"), 403, "AccessDenied")
        .await;
}

#[tokio::test]
async fn a_malformed_policy_is_told_once_its_signature_is_right() {
    let server = S3Server::new().await;
    for policy in
        ["", "{", "{}", r#"{"expiration":"2099-01-01T00:00:00Z"}"#, r#"{"expiration":"soon","conditions":[]}"#]
    {
        for signing in VERSIONS {
            let mut form = server.form("k").sign(signing);
            form.policy = Some(policy.to_owned());
            if policy.is_empty() {
                // Then there is none.
                server.refuses(&form.changed("Policy", ""), 400, "InvalidArgument").await;
                continue;
            }
            server.refuses(&form, 400, "InvalidPolicyDocument").await;
            form.keys.secret.push('x');
            server.refuses(&form, 403, "SignatureDoesNotMatch").await;
        }
    }
}

#[tokio::test]
async fn the_file_has_as_many_bytes_as_the_policy_says() {
    let server = S3Server::new().await;
    server.put("k", "kept").await;
    let conditions = r#"{"bucket":"bkt"},{"key":"k"},["content-length-range",3,300000]"#;
    let form = |len: usize| server.form("k").file(vec![b'x'; len]);
    let with = |len: usize| form(len).conditions(&format!("{conditions},{OF_V4}"));
    for len in [3, 300_000] {
        server.posts(&with(len)).await;
        assert_eq!(server.get("k").await.body, vec![b'x'; len]);
    }
    server.put("k", "kept").await;
    for (len, code) in
        [(0, "EntityTooSmall"), (2, "EntityTooSmall"), (300_001, "EntityTooLarge"), (3_000_000, "EntityTooLarge")]
    {
        server.refuses_by(conditions, &form(len), 400, code).await;
    }
    assert_eq!(server.get("k").await.body, b"kept");
}

/// Variables are expanded before the policy is compared.
#[tokio::test]
async fn the_files_name_stands_where_the_form_asks_for_it() {
    let server = S3Server::new().await;
    let conditions =
        format!(r#"{{"bucket":"bkt"}},["starts-with","$key","in/"],["eq","$x-amz-meta-n","cat.gif"],{OF_V4}"#);
    let mut form = server.form("in/${filename}").field("x-amz-meta-n", "${filename}").conditions(&conditions);
    form.file_name = "C:\\\\home\\\\cat.gif".to_owned();
    server.posts(&form).await;
    assert_eq!(server.get("in/cat.gif").await.body, b"meow");
    let outside =
        server.form("${filename}").conditions(&format!(r#"{{"bucket":"bkt"}},["starts-with","$key","in/"],{OF_V4}"#));
    server.refuses(&outside, 403, "AccessDenied").await;
}
