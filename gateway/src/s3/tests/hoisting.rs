//! Headers in the query: for each header that any operation reads, a presigned URL that has it as a parameter is answered,
//! and does what it does, as if it had been sent as a header.
//!
//! Source: `moveHeadersToQuery` of the SDK for JavaScript, `AllowedQueryHoisting` of that for Go.
#![allow(clippy::disallowed_methods, reason = "reads the source tree")]

use std::path::Path;

use super::bodies::crc32;
use super::client::{Ask, Defect, PayloadMode, Place};
use super::*;

/// Headers of answers, those that are told from signatures and bodies (the test below has these), that of S3 Control, and
/// fields by which forms are signed.
const NOT_HERE: [&str; 21] = [
    "x-amz-",
    "x-amz-access-point-alias",
    "x-amz-account-id",
    "x-amz-algorithm",
    "x-amz-bucket-arn",
    "x-amz-bucket-region",
    "x-amz-content-sha256",
    "x-amz-copy-source-version-id",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-delete-marker",
    "x-amz-id-2",
    "x-amz-mp-parts-count",
    "x-amz-request-id",
    "x-amz-request-route",
    "x-amz-signature",
    "x-amz-tagging-count",
    "x-amz-trailer",
    "x-amz-trailer-signature",
    "x-amz-version-id",
];

/// A request that a header changes. `{k}` is a key of its own, `{u}` an upload of it, `{v}` its version; the value `{now}`
/// is the date by the server's clock.
struct Case {
    method: &'static str,
    target: &'static str,
    body: &'static str,
    /// Headers that are always sent.
    always: &'static [(&'static str, &'static str)],
    /// Headers with which `{k}` is put before, if it is.
    before: Option<&'static [(&'static str, &'static str)]>,
    name: &'static str,
    value: &'static str,
}

const UNTIL: (&str, &str) = ("x-amz-object-lock-retain-until-date", "2090-01-01T00:00:00Z");
/// Of `hello`.
const MD5: (&str, &str) = ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
const COPY: (&str, &str) = ("x-amz-copy-source", "/bkt/src");
const NO_SUCH_ETAG: &str = "\"00000000000000000000000000000000\"";
/// Of `content`.
const ETAG: &str = "\"9a0364b9e99bb480dd25e1f0284c8555\"";

const fn case(method: &'static str, target: &'static str, name: &'static str, value: &'static str) -> Case {
    Case { method, target, body: "", always: &[], before: None, name, value }
}

const fn put(name: &'static str, value: &'static str) -> Case {
    Case { body: "hello", ..case("PUT", "/bkt/{k}", name, value) }
}

const fn copy(name: &'static str, value: &'static str) -> Case {
    Case { always: &[COPY], ..case("PUT", "/bkt/{k}", name, value) }
}

const fn of_object(method: &'static str, target: &'static str, name: &'static str, value: &'static str) -> Case {
    Case { before: Some(&[]), ..case(method, target, name, value) }
}

const CASES: &[Case] = &[
    put("x-amz-acl", "public-read"),
    put("x-amz-grant-full-control", "id=1"),
    put("x-amz-grant-read", "id=1"),
    put("x-amz-grant-read-acp", "id=1"),
    put("x-amz-grant-write-acp", "id=1"),
    put("x-amz-meta-a", "1&b=2, 3"),
    put("x-amz-tagging", "k=v&l=m"),
    Case { always: &[MD5, UNTIL], ..put("x-amz-object-lock-mode", "COMPLIANCE") },
    Case { always: &[MD5, ("x-amz-object-lock-mode", "GOVERNANCE")], ..put(UNTIL.0, UNTIL.1) },
    Case { always: &[MD5], ..put("x-amz-object-lock-legal-hold", "ON") },
    put("x-amz-object-lock-event-hold", "ON"),
    put("x-amz-storage-class", "GLACIER"),
    put("x-amz-website-redirect-location", "/elsewhere?a=b&c"),
    put("x-amz-server-side-encryption", "AES256"),
    put("x-amz-server-side-encryption-customer-algorithm", "AES256"),
    put("x-amz-write-offset-bytes", "5"),
    put("x-amz-expected-bucket-owner", "111122223333"),
    put("x-amz-security-token", "token"),
    put("x-amz-checksum-crc32", "NhCmhg=="),
    put("x-amz-checksum-crc32c", "AAAAAA=="),
    put("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
    put("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
    put("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    put(
        "x-amz-checksum-sha512",
        "m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==",
    ),
    put("x-amz-checksum-md5", MD5.1),
    put("x-amz-checksum-xxhash64", "JseCfYifbaM="),
    put("x-amz-checksum-xxhash3", "lVXoVVxi3P0="),
    put("x-amz-checksum-xxhash128", "AAAAAAAAAAAAAAAAAAAAAA=="),
    Case { always: &[("x-amz-checksum-crc32", "NhCmhg==")], ..put("x-amz-sdk-checksum-algorithm", "SHA256") },
    case("PUT", "/bkt/{k}", COPY.0, COPY.1),
    copy("x-amz-copy-source-if-match", NO_SUCH_ETAG),
    copy("x-amz-copy-source-if-none-match", ETAG),
    copy("x-amz-copy-source-if-modified-since", "{now}"),
    copy("x-amz-copy-source-if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT"),
    copy("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256"),
    copy("x-amz-source-expected-bucket-owner", "111122223333"),
    copy("x-amz-checksum-algorithm", "SHA256"),
    Case { always: &[COPY, ("x-amz-meta-a", "b")], ..copy("x-amz-metadata-directive", "REPLACE") },
    Case { always: &[COPY, ("x-amz-tagging", "a=b")], ..copy("x-amz-tagging-directive", "REPLACE") },
    Case { target: "/bkt/{k}?partNumber=1&uploadId={u}", ..copy("x-amz-copy-source-range", "bytes=0-1") },
    case("POST", "/bkt/{k}?uploads", "x-amz-checksum-algorithm", "SHA1"),
    Case {
        always: &[("x-amz-checksum-algorithm", "CRC32")],
        ..case("POST", "/bkt/{k}?uploads", "x-amz-checksum-type", "FULL_OBJECT")
    },
    case("POST", "/bkt/{k}?uploadId={u}", "x-amz-mp-object-size", "many"),
    of_object("GET", "/bkt/{k}", "x-amz-checksum-mode", "ENABLED"),
    of_object("HEAD", "/bkt/{k}", "x-amz-expected-bucket-owner", "111122223333"),
    of_object("GET", "/bkt/{k}?attributes", "x-amz-object-attributes", "ETag"),
    Case {
        always: &[("x-amz-object-attributes", "ETag")],
        ..of_object("GET", "/bkt/{k}?attributes", "x-amz-max-parts", "many")
    },
    Case {
        always: &[("x-amz-object-attributes", "ETag")],
        ..of_object("GET", "/bkt/{k}?attributes", "x-amz-part-number-marker", "many")
    },
    of_object("DELETE", "/bkt/{k}", "x-amz-if-match-size", "4"),
    of_object("DELETE", "/bkt/{k}", "x-amz-if-match-last-modified-time", "Sun, 06 Nov 1994 08:49:36 GMT"),
    Case {
        before: Some(&[("x-amz-object-lock-mode", "GOVERNANCE"), UNTIL]),
        ..case("DELETE", "/bkt/{k}?versionId={v}", "x-amz-bypass-governance-retention", "true")
    },
    of_object("PUT", "/bkt/{k}?acl", "x-amz-acl", "private"),
    case("PUT", "/{k}", "x-amz-bucket-object-lock-enabled", "true"),
    case("PUT", "/{k}", "x-amz-object-ownership", "ObjectWriter"),
    case("PUT", "/{k}", "x-amz-acl", "public-read"),
    case("PUT", "/{k}", "x-amz-grant-write", "id=1"),
];

/// How a request has the header.
#[derive(Clone, Copy, Debug)]
enum Way {
    Header,
    Query,
    Both,
    Differing,
    Without,
}

async fn locked_bucket() -> S3Server {
    let server = S3Server::without_bucket(ServerSettings::default(), FrontSettings::default(), S3::default()).await;
    let create = server.ask("PUT", "/bkt").header("x-amz-bucket-object-lock-enabled", "true");
    assert_eq!(server.send(&create).await.status, 200);
    server.put("src", "content").await;
    server
}

/// Sends a case in one way, and tells the answer and what is there afterwards, without what differs each time.
async fn outcome(server: &S3Server, number: usize, case: &Case, way: Way) -> Vec<String> {
    let key = format!("k{number}-{way:?}").to_lowercase();
    let target = prepared(server, case, &key).await;
    let mut ask =
        server.ask(case.method, &target).body(case.body).how(Place::Query, PayloadMode::Unsigned, Defect::None);
    ask.headers.extend(case.always.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let now = jiff::Timestamp::from_microsecond(i64::try_from(ask.now_us).unwrap()).unwrap();
    let now = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let (name, value) = (case.name, &case.value.replace("{now}", &now));
    let ask = match way {
        Way::Header => ask.header(name, value),
        Way::Query => ask.hoisted(name, value),
        Way::Both => ask.header(name, value).hoisted(name, value),
        Way::Differing => ask.header(name, value).hoisted(name, &format!("{value}x")),
        Way::Without => ask,
    };
    let mut told = shown(&server.send(&ask).await);
    let checked = server.ask("GET", &format!("/bkt/{key}")).header("x-amz-checksum-mode", "ENABLED");
    told.extend(shown(&server.send(&checked).await));
    let tags = server.send(&server.ask("GET", &format!("/bkt/{key}?tagging"))).await;
    told.push(tags.between("<TagSet>", "</TagSet>").to_owned());
    told.push(server.send(&server.ask("GET", &format!("/{key}?object-lock"))).await.status.to_string());
    let ownership = server.send(&server.ask("GET", &format!("/{key}?ownershipControls"))).await;
    told.push(ownership.between("<ObjectOwnership>", "</ObjectOwnership>").to_owned());
    told
}

/// Puts what a case needs; its target.
async fn prepared(server: &S3Server, case: &Case, key: &str) -> String {
    let mut target = case.target.replace("{k}", key);
    if let Some(headers) = case.before {
        let mut put = server.ask("PUT", &format!("/bkt/{key}")).body("content");
        put = put.header("x-amz-checksum-crc32", &crc32(b"content"));
        put.headers.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let answer = server.send(&put).await;
        target = target.replace("{v}", answer.header("x-amz-version-id").unwrap());
    }
    if target.contains("{u}") {
        let answer = server.send(&server.ask("POST", &format!("/bkt/{key}?uploads"))).await;
        target = target.replace("{u}", answer.between("<UploadId>", "</UploadId>"));
    }
    target
}

fn shown(answer: &Answer) -> Vec<String> {
    let volatile = [
        "content-length",
        "date",
        "last-modified",
        "location",
        "x-amz-bucket-arn",
        "x-amz-id-2",
        "x-amz-request-id",
        "x-amz-version-id",
    ];
    let headers = answer.headers.iter().filter(|(name, _)| !volatile.contains(&name.as_str()));
    let mut shown: Vec<String> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
    shown.sort();
    let etag = answer.between("<ETag>", "</ETag>");
    shown.push(format!("{} {} {etag}", answer.status, answer.code()));
    shown
}

#[tokio::test]
async fn a_parameter_does_what_the_header_does() {
    let server = locked_bucket().await;
    for (number, case) in CASES.iter().enumerate() {
        let named = format!("{} {} {}", case.method, case.target, case.name);
        let header = outcome(&server, number, case, Way::Header).await;
        assert_ne!(outcome(&server, number, case, Way::Without).await, header, "{named}: it changes nothing");
        assert_eq!(outcome(&server, number, case, Way::Query).await, header, "{named}");
        assert_eq!(outcome(&server, number, case, Way::Both).await, header, "{named}: both");
        let differing = outcome(&server, number, case, Way::Differing).await;
        let refused = if case.method == "HEAD" { "400  " } else { "400 InvalidArgument " };
        assert!(differing.iter().any(|line| line == refused), "{named}: {differing:?}");
    }
}

/// Whatever of it was signed: the parameter is part of the URL, and another value is another URL.
#[tokio::test]
async fn a_parameter_is_covered_by_the_signature() {
    let server = locked_bucket().await;
    let wire = |ask: Ask| {
        let ask = ask.body("hello").how(Place::Query, PayloadMode::Unsigned, Defect::None);
        String::from_utf8(ask.wire()).unwrap()
    };
    let signed = wire(server.ask("PUT", "/bkt/k").hoisted("x-amz-meta-a", "one"));
    for (from, to) in [("=one", "=two"), ("x-amz-meta-a=one&", ""), ("?X-Amz", "?x-amz-acl=private&X-Amz")] {
        let changed = signed.replacen(from, to, 1);
        assert_ne!(changed, signed, "{from}");
        assert_eq!(server.send_raw(changed.as_bytes()).await.code(), "SignatureDoesNotMatch", "{from} {to}");
    }
    // A header that is named as signed was sent as a header; in the query it is another request.
    let signed = wire(server.ask("PUT", "/bkt/k").header("x-amz-meta-a", "one"));
    let moved = signed.replacen("x-amz-meta-a: one\r\n", "", 1).replacen("?X-Amz", "?x-amz-meta-a=one&X-Amz", 1);
    assert_eq!(server.send_raw(moved.as_bytes()).await.code(), "SignatureDoesNotMatch");
    let signed = wire(server.ask("PUT", "/bkt/k").hoisted("x-amz-meta-a", "one"));
    let moved = signed.replacen("\r\n", "\r\nx-amz-meta-a: one\r\n", 1);
    assert_eq!(server.send_raw(moved.as_bytes()).await.code(), "AccessDenied", "a header that is not signed");
    assert_eq!(server.get("k").await.status, 404);
    assert_eq!(server.send_raw(signed.as_bytes()).await.status, 200);
}

/// The credentials of a URL are in one place, spelled in one way.
#[tokio::test]
async fn the_parameters_of_a_signature_are_no_headers() {
    let server = locked_bucket().await;
    for name in ["X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Algorithm"] {
        let answer = server.send(&server.ask("GET", "/bkt/src").hoisted(name, "1")).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidArgument"), "{name}: {answer:?}");
        let ask = server.ask("GET", "/bkt/src").hoisted(&name.to_lowercase(), "1");
        let answer = server.send(&ask.how(Place::Query, PayloadMode::Unsigned, Defect::None)).await;
        assert_eq!((answer.status, answer.code()), (400, "AuthorizationQueryParametersError"), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn a_framed_body_may_say_so_in_the_query() {
    let server = locked_bucket().await;
    let word = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    let put = |length: &str, checksum: &str| {
        let ask = server.ask("PUT", "/bkt/k").hoisted("X-Amz-Content-Sha256", word);
        let ask = ask.hoisted("x-amz-decoded-content-length", length).hoisted("x-amz-trailer", "x-amz-checksum-crc32");
        let body = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n");
        let ask = ask.body(body).how(Place::Query, PayloadMode::Unsigned, Defect::None);
        Ask { word: Some(word.to_owned()), ..ask }
    };
    assert_eq!(server.send(&put("5", "NhCmhw==")).await.code(), "BadDigest");
    assert_eq!(server.send(&put("4", "NhCmhg==")).await.code(), "IncompleteBody");
    assert_eq!(server.send(&put("5368709121", "NhCmhg==")).await.code(), "EntityTooLarge");
    assert_eq!(server.send(&put("5", "NhCmhg==")).await.status, 200);
    assert_eq!(server.get("k").await.body, b"hello");
}

/// A header that an operation begins to read gets its case.
#[test]
fn every_header_that_is_read_has_a_case() {
    let mut read = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/s3")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                read.extend(code.split('"').filter(|word| word.starts_with("x-amz-")).map(str::to_owned));
            }
        }
    }
    read.retain(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
    assert!(read.len() > 50, "{read:?}");
    for name in read {
        let covered =
            CASES.iter().any(|case| case.name == name || (name.ends_with('-') && case.name.starts_with(&name)));
        assert!(covered || NOT_HERE.contains(&name.as_str()), "{name} has no case");
    }
}
