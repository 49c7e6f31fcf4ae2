//! What fields ask for, and what a form is answered.

use super::*;
use crate::s3::tests::bodies::crc32;

#[tokio::test]
async fn a_form_is_answered_as_it_asks() {
    let server = S3Server::new().await;
    let ask = |status: &str| server.form("a b/\u{fc}").field("success_action_status", status);
    for (asked, status) in [("200", 200), ("204", 204), ("404", 204), ("", 204), ("201", 201)] {
        let answer = server.post(&ask(asked)).await;
        assert_eq!(answer.status, status, "{asked}: {answer:?}");
        assert_eq!(answer.header("location"), Some("http://localhost/bkt/a%20b/%C3%BC"));
        let etag = "\"4a4be40c96ac6314e91d93f38043a634\"";
        assert_eq!(answer.header("etag"), Some(etag));
        if status == 201 {
            let etag = etag.replace('"', "&quot;");
            let document = format!(
                "<PostResponse><Location>http://localhost/bkt/a%20b/%C3%BC</Location><Bucket>bkt</Bucket>\
                 <Key>a b/\u{fc}</Key><ETag>{etag}</ETag></PostResponse>"
            );
            assert!(answer.text().ends_with(&document), "{}", answer.text());
            assert_eq!(answer.header("content-type"), Some("application/xml"));
        } else {
            assert_eq!(answer.body, b"");
        }
    }
}

#[tokio::test]
async fn a_browser_is_led_on() {
    let server = S3Server::new().await;
    let ask =
        |place: &str| server.form("a&b").field("success_action_redirect", place).field("success_action_status", "201");
    for (place, location) in [
        (
            "http://app.example:8080/done",
            "http://app.example:8080/done?bucket=bkt&key=a%26b&etag=%224a4be40c96ac6314e91d93f38043a634%22",
        ),
        (
            "https://app.example/?a=b",
            "https://app.example/?a=b&bucket=bkt&key=a%26b&etag=%224a4be40c96ac6314e91d93f38043a634%22",
        ),
    ] {
        let answer = server.post(&ask(place)).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some(location)), "{answer:?}");
    }
    for place in ["/done", "javascript:alert(1)", "http://a b/"] {
        assert_eq!(server.post(&ask(place)).await.status, 201, "{place}");
    }
}

#[tokio::test]
async fn names_of_fields_have_any_case() {
    let server = S3Server::new().await;
    let mut form = server
        .form("k")
        .field("X-AMZ-Meta-Mood", "loud")
        .field("Cache-CONTROL", "no-store")
        .field("aCL", "public-read");
    form.fields[0].0 = "kEy".to_owned();
    // Lists do not count in this bucket.
    server.refuses(&form, 400, "AccessControlListNotSupported").await;
    form.fields.retain(|(name, _)| name != "aCL");
    assert_eq!(server.post(&form).await.status, 204);
    let kept = server.get("k").await;
    assert_eq!((kept.header("x-amz-meta-mood"), kept.header("cache-control")), (Some("loud"), Some("no-store")));
    assert_eq!(kept.header("content-type"), Some("binary/octet-stream"), "the file's own type is not the object's");
}

/// Headers of the request that speak of an object are not the form's.
#[tokio::test]
async fn the_head_says_nothing_of_the_object() {
    let server = S3Server::new().await;
    let mut form = server.form("k");
    for (name, value) in [
        ("x-amz-meta-a", "1"),
        ("x-amz-tagging", "a=b"),
        ("cache-control", "no-store"),
        ("x-amz-copy-source", "/bkt/x"),
    ] {
        form.headers.push((name.to_owned(), value.to_owned()));
    }
    form.target = "/bkt?x-amz-acl=public-read".to_owned();
    assert_eq!(server.post(&form).await.status, 204);
    let kept = server.get("k").await;
    for name in ["x-amz-meta-a", "x-amz-tagging-count", "cache-control"] {
        assert_eq!(kept.header(name), None, "{name}");
    }
    assert_eq!(kept.body, b"meow");
}

#[tokio::test]
async fn a_form_names_its_key() {
    let server = S3Server::new().await;
    let form = server.form("k");
    server.refuses(&FormAsk { fields: Vec::new(), ..form.clone() }, 400, "InvalidArgument").await;
    server.refuses(&server.form(""), 400, "InvalidArgument").await;
    server.refuses(&server.form(&"k".repeat(1025)), 400, "KeyTooLongError").await;
    server.refuses(&FormAsk { target: "/none".to_owned(), ..form.clone() }, 403, "AccessDenied").await;
    let none = server.form("k").conditions(r#"{"bucket":"none"},{"key":"k"}"#).sign(Signing::V2);
    server.refuses(&FormAsk { target: "/none".to_owned(), ..none }, 404, "NoSuchBucket").await;
    server.refuses(&FormAsk { target: "/bkt/k".to_owned(), ..form.clone() }, 405, "MethodNotAllowed").await;
    server.refuses(&FormAsk { target: "/bkt?versionId=null".to_owned(), ..form.clone() }, 400, "InvalidArgument").await;
    assert_eq!(server.post(&FormAsk { target: "/bkt/".to_owned(), ..form }).await.status, 204);
}

#[tokio::test]
async fn checksums_of_fields_are_verified() {
    let server = S3Server::new().await;
    let with = |name: &str, value: &str| server.form("k").field(name, value);
    let answer = server.post(&with("x-amz-checksum-crc32", &crc32(b"meow"))).await;
    assert_eq!((answer.status, answer.header("x-amz-checksum-crc32")), (204, Some(crc32(b"meow").as_str())));
    let kept = server.send(&server.ask("HEAD", "/bkt/k").header("x-amz-checksum-mode", "ENABLED")).await;
    assert_eq!(kept.header("x-amz-checksum-crc32"), Some(crc32(b"meow").as_str()));
    assert_eq!(server.post(&with("content-md5", "SkvkDJasYxTpHZPzgEOmNA==")).await.status, 204);
    server.refuses(&with("x-amz-checksum-crc32", &crc32(b"purr")), 400, "BadDigest").await;
    server.refuses(&with("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="), 400, "BadDigest").await;
    server.refuses(&with("x-amz-trailer", "x-amz-checksum-crc32"), 400, "InvalidArgument").await;
    server.refuses(&with("x-amz-server-side-encryption", "aws:kms"), 501, "NotImplemented").await;
}

#[tokio::test]
async fn tags_come_as_a_document() {
    let server = S3Server::new().await;
    let tags = |tags: &str| server.form("k").field("tagging", &format!("<Tagging><TagSet>{tags}</TagSet></Tagging>"));
    let two = "<Tag><Key>b c</Key><Value>/=+</Value></Tag><Tag><Key>a</Key><Value></Value></Tag>";
    assert_eq!(server.post(&tags(two)).await.status, 204);
    let shown = server.send(&server.ask("GET", "/bkt/k?tagging")).await;
    let expected = "<Tag><Key>a</Key><Value></Value></Tag><Tag><Key>b c</Key><Value>/=+</Value></Tag>";
    assert!(shown.text().contains(expected), "{shown:?}");
    server.refuses(&tags("<Tag><Key>a</Key></Tag>"), 400, "MalformedXML").await;
    server.refuses(&tags(two).field("x-amz-tagging", "a=b"), 400, "InvalidArgument").await;
}
