//! What requests are answered, and what errors say beside their code: clients act on it.

use super::bodies::crc32;
use super::client::{Ask, Defect, PayloadMode, Place};
use super::*;

/// The request's bytes with lines of headers that are not signed put into its head.
fn with_lines(ask: &Ask, lines: &str) -> Vec<u8> {
    let wire = String::from_utf8(ask.wire()).unwrap();
    wire.replacen("\r\n", &format!("\r\n{lines}"), 1).into_bytes()
}

fn etag_of(answer: &Answer) -> String {
    answer.header("etag").unwrap().to_owned()
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_named() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    let other = "\"00000000000000000000000000000000\"";
    let put = || server.ask("PUT", "/bkt/k").body("other");
    let copy = || {
        server.ask("PUT", "/bkt/k").header("x-amz-copy-source", "/bkt/k").header("x-amz-metadata-directive", "REPLACE")
    };
    let etag = etag_of(&server.get("k").await);
    let before = "Sun, 06 Nov 1994 08:49:36 GMT";
    for (ask, condition) in [
        (put().header("if-none-match", "*"), "If-None-Match"),
        (put().header("if-match", other), "If-Match"),
        (copy().header("if-none-match", "*"), "If-None-Match"),
        (copy().header("if-match", other), "If-Match"),
        (copy().header("x-amz-copy-source-if-match", other), "x-amz-copy-source-If-Match"),
        (copy().header("x-amz-copy-source-if-none-match", &etag), "x-amz-copy-source-If-None-Match"),
        (copy().header("x-amz-copy-source-if-unmodified-since", before), "x-amz-copy-source-If-Unmodified-Since"),
        (server.ask("DELETE", "/bkt/k").header("if-match", other), "If-Match"),
        (server.ask("DELETE", "/bkt/k").header("x-amz-if-match-size", "4"), "x-amz-if-match-size"),
        (server.ask("GET", "/bkt/k").header("if-match", other), "If-Match"),
        (server.ask("GET", "/bkt/k").header("if-unmodified-since", before), "If-Unmodified-Since"),
    ] {
        let answer = server.send(&ask).await;
        assert_eq!((answer.status, answer.code()), (412, "PreconditionFailed"), "{condition}: {answer:?}");
        assert_eq!(answer.between("<Condition>", "</Condition>"), condition);
    }
    assert_eq!(server.get("k").await.body, b"hello");
}

#[tokio::test]
async fn a_condition_that_writes_do_not_take_is_refused() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    let etag = etag_of(&server.get("k").await);
    let put = || server.ask("PUT", "/bkt/k").body("other");
    for (ask, header) in [
        (put().header("if-none-match", &etag), "If-None-Match"),
        (put().header("if-match", "*"), "If-Match"),
        (put().header("if-match", &etag).header("if-none-match", "*"), "If-Match,If-None-Match"),
        (put().header("if-unmodified-since", "Fri, 01 Jan 2100 00:00:00 GMT"), "If-Unmodified-Since"),
        (server.ask("DELETE", "/bkt/k").header("if-none-match", "*"), "If-None-Match"),
    ] {
        let answer = server.send(&ask).await;
        assert_eq!((answer.status, answer.code()), (501, "NotImplemented"), "{header}: {answer:?}");
        assert_eq!(answer.between("<Header>", "</Header>"), header);
    }
    assert_eq!(server.get("k").await.body, b"hello");
}

#[tokio::test]
async fn a_wrong_region_is_told_the_right_one_in_a_header_too() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    for (place, code) in
        [(Place::Header, "AuthorizationHeaderMalformed"), (Place::Query, "AuthorizationQueryParametersError")]
    {
        for (method, target) in [("HEAD", "/bkt"), ("HEAD", "/bkt/k"), ("GET", "/bkt"), ("PUT", "/bkt/k"), ("GET", "/")]
        {
            let mut ask = server.ask(method, target).how(place, PayloadMode::Unsigned, Defect::None);
            ask.region = "eu-central-1";
            let answer = server.send(&ask).await;
            assert_eq!((answer.status, answer.header("x-amz-bucket-region")), (400, Some("us-east-1")), "{answer:?}");
            let told = if method == "HEAD" { ["", ""] } else { [code, "us-east-1"] };
            assert_eq!([answer.code(), answer.between("<Region>", "</Region>")], told);
        }
    }
}

#[tokio::test]
async fn a_signature_that_does_not_match_shows_what_was_to_be_signed() {
    let server = S3Server::new().await;
    for place in [Place::Header, Place::Query] {
        let ask = server.ask("GET", "/bkt/k?prefix=a%3Cb").how(place, PayloadMode::Unsigned, Defect::WrongSignature);
        let answer = server.send(&ask).await;
        assert_eq!((answer.status, answer.code()), (403, "SignatureDoesNotMatch"), "{answer:?}");
        let [text, canonical, provided, bytes, canonical_bytes] =
            ["StringToSign", "CanonicalRequest", "SignatureProvided", "StringToSignBytes", "CanonicalRequestBytes"]
                .map(|name| answer.between(&format!("<{name}>"), &format!("</{name}>")));
        assert!(text.starts_with("AWS4-HMAC-SHA256\n") && text.contains("/us-east-1/s3/aws4_request\n"), "{text}");
        assert!(canonical.starts_with("GET\n/bkt/k\n") && canonical.ends_with("UNSIGNED-PAYLOAD"), "{canonical}");
        assert!(canonical.contains("prefix=a%3Cb") && canonical.contains("\nhost:localhost\n"), "{canonical}");
        assert_eq!(provided.len(), 64);
        assert!(bytes.starts_with("41 57 53 34 2d") && canonical_bytes.starts_with("47 45 54 0a 2f"), "{bytes}");
    }
    let ask = server.ask("GET", "/bkt/k").how(Place::QueryV2, PayloadMode::Unsigned, Defect::WrongSignature);
    let answer = server.send(&ask).await;
    assert!(answer.between("<StringToSign>", "<").starts_with("GET\n\n\n"), "{answer:?}");
    assert_eq!(answer.between("<StringToSignBytes>", "<").get(..8), Some("47 45 54"));
    assert!(answer.between("<SignatureProvided>", "<").starts_with("AAAA"), "{answer:?}");
}

#[tokio::test]
async fn what_came_too_late_is_told_the_time() {
    let server = S3Server::new().await;
    let now = server.ask("GET", "/bkt/k").now_us / 1_000_000;
    let iso = |seconds: u64| {
        jiff::Timestamp::from_second(i64::try_from(seconds).unwrap())
            .unwrap()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    };
    let mut late = server.ask("GET", "/bkt/k").how(Place::Query, PayloadMode::Unsigned, Defect::None);
    late.now_us -= 700_000_000;
    let answer = server.send(&late).await;
    assert_eq!((answer.status, answer.code()), (403, "AccessDenied"), "{answer:?}");
    let said =
        ["X-Amz-Expires", "Expires", "ServerTime"].map(|name| answer.between(&format!("<{name}>"), "<").to_owned());
    assert_eq!(said, ["600".to_owned(), iso(now - 100), iso(now)]);
    let of_old = server.ask("GET", "/bkt/k").how(Place::QueryV2, PayloadMode::Unsigned, Defect::Skewed);
    let answer = server.send(&of_old).await;
    assert_eq!(answer.between("<Expires>", "<"), iso(now - 3000), "{answer:?}");
    assert_eq!(answer.between("<ServerTime>", "<"), iso(now));
    let skewed = server.ask("GET", "/bkt/k").how(Place::Header, PayloadMode::Signed, Defect::Skewed);
    let answer = server.send(&skewed).await;
    assert_eq!((answer.code(), answer.between("<ServerTime>", "<")), ("RequestTimeTooSkewed", &*iso(now)));
}

#[tokio::test]
async fn a_method_that_a_resource_has_not_is_told_which_it_has() {
    let server = S3Server::new().await;
    for (method, target, kind, allowed) in [
        ("PUT", "/", "SERVICE", "GET"),
        ("DELETE", "/bkt?location", "BUCKET", "GET"),
        ("POST", "/bkt/k", "OBJECT", "DELETE, GET, HEAD, PUT"),
    ] {
        let answer = server.send(&server.ask(method, target)).await;
        assert_eq!((answer.status, answer.code()), (405, "MethodNotAllowed"), "{answer:?}");
        assert_eq!((answer.between("<Method>", "<"), answer.between("<ResourceType>", "<")), (method, kind));
        assert_eq!(answer.header("allow"), Some(allowed));
    }
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(server.send(&server.ask("PUT", "/bkt?versioning").body(enabled)).await.status, 200);
    let deleted = server.send(&server.ask("DELETE", "/bkt/k")).await;
    let marker = deleted.header("x-amz-version-id").unwrap();
    let answer = server.send(&server.ask("GET", &format!("/bkt/k?versionId={marker}"))).await;
    assert_eq!((answer.status, answer.between("<ResourceType>", "<")), (405, "DeleteMarker"), "{answer:?}");
    assert_eq!(answer.between("<Method>", "<"), "GET");
}

#[tokio::test]
async fn a_sub_resource_in_the_wrong_place_is_told_so() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    for (target, message) in [
        ("/bkt/k?uploads", "Key is not expected for the GET method ?uploads subresource"),
        ("/bkt/k?versions", "There is no such thing as the ?versions sub-resource for a key"),
        ("/bkt/k?policy", "There is no such thing as the ?policy sub-resource for a key"),
    ] {
        let answer = server.send(&server.ask("GET", target)).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidRequest"), "{answer:?}");
        assert_eq!(answer.between("<Message>", "</Message>"), message);
    }
    for target in ["/bkt/k?download=", "/bkt/k?x-customer", "/bkt/k?v=", "/bkt/k?v=1"] {
        let answer = server.send(&server.ask("GET", target)).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]), "{target}");
    }
}

#[tokio::test]
async fn ranges_of_little_and_of_nothing() {
    let server = S3Server::new().await;
    server.put("empty", "").await;
    server.put("k", "hello").await;
    for method in ["GET", "HEAD"] {
        let range = |key: &str, range: &str| server.ask(method, &format!("/bkt/{key}")).header("range", range);
        let answer = server.send(&range("empty", "bytes=-5")).await;
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("0")), "{answer:?}");
        assert_eq!(server.send(&range("empty", "bytes=0-")).await.status, 416);
        assert_eq!(server.send(&range("empty", "bytes=-0")).await.status, 416);
        assert_eq!(server.send(&range("k", "bytes=-50")).await.header("content-range"), Some("bytes 0-4/5"));
    }
    let answer = server.send(&server.ask("GET", "/bkt/k").header("range", "bytes=7-9")).await;
    assert_eq!((answer.status, answer.code()), (416, "InvalidRange"));
    assert_eq!(answer.between("<RangeRequested>", "<"), "bytes=7-9", "{answer:?}");
    assert_eq!(answer.between("<ActualObjectSize>", "<"), "5");
}

#[tokio::test]
async fn what_is_not_modified_says_what_a_cache_needs() {
    let server = S3Server::new().await;
    let put =
        server.ask("PUT", "/bkt/k").body("hello").header("cache-control", "max-age=60").header("expires", "never");
    let etag = etag_of(&server.send(&put).await);
    let ask = |target: &str| server.ask("GET", target).header("if-none-match", &etag);
    let answer = server.send(&ask("/bkt/k")).await;
    assert_eq!((answer.status, answer.header("etag"), answer.body.len()), (304, Some(etag.as_str()), 0));
    assert_eq!((answer.header("cache-control"), answer.header("expires")), (Some("max-age=60"), Some("never")));
    assert!(answer.header("last-modified").is_some() && answer.header("content-type").is_none(), "{answer:?}");
    let answer = server.send(&ask("/bkt/k?response-cache-control=no-store")).await;
    assert_eq!((answer.status, answer.header("cache-control")), (304, Some("no-store")));
    // A date that lies ahead says nothing.
    let ahead = server.ask("GET", "/bkt/k").header("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT");
    assert_eq!(server.send(&ahead).await.status, 200);
    let copy = server.ask("PUT", "/bkt/copy").header("x-amz-copy-source", "/bkt/k");
    let ahead = copy.header("x-amz-copy-source-if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT");
    assert_eq!(server.send(&ahead).await.status, 200);
}

#[tokio::test]
async fn several_lines_of_a_header_are_one_list() {
    let server = S3Server::new().await;
    let ask = server.ask("PUT", "/bkt/k").body("hello");
    let lines = "Content-Encoding: aws-chunked\r\nContent-Encoding: br\r\nCache-Control: a\r\nCache-Control: b=1\r\n";
    let wire = with_lines(&ask, lines);
    assert_eq!(server.send_raw(&wire).await.status, 200);
    let answer = server.get("k").await;
    assert_eq!((answer.header("content-encoding"), answer.header("cache-control")), (Some("br"), Some("a,b=1")));
    assert_eq!(answer.body, b"hello");
    let wire = with_lines(&server.ask("PUT", "/bkt/k"), "Content-Type: a/b\r\nContent-Type: c/d\r\n");
    let answer = server.send_raw(&wire).await;
    assert_eq!((answer.status, answer.code()), (400, "InvalidArgument"), "{answer:?}");
}

#[tokio::test]
async fn storage_classes_are_taken_and_shown_and_never_copied() {
    let server = S3Server::new().await;
    let shown = async |key: &str| {
        let listed = server.send(&server.ask("GET", &format!("/bkt?list-type=2&prefix={key}"))).await;
        let versions = server.send(&server.ask("GET", &format!("/bkt?prefix={key}&versions="))).await;
        let attributes =
            server.ask("GET", &format!("/bkt/{key}?attributes")).header("x-amz-object-attributes", "StorageClass");
        let attributes = server.send(&attributes).await;
        let classes = [&listed, &versions, &attributes].map(|page| page.between("<StorageClass>", "<").to_owned());
        assert!(classes.iter().all(|class| *class == classes[0]), "{classes:?}");
        let heads = ["GET", "HEAD"].map(|method| server.ask(method, &format!("/bkt/{key}")));
        for head in heads {
            let class = server.send(&head).await.header("x-amz-storage-class").unwrap_or("STANDARD").to_owned();
            assert_eq!(class, classes[0]);
        }
        classes[0].clone()
    };
    for class in
        ["STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER"]
    {
        let put = server.ask("PUT", "/bkt/k").body("hello").header("x-amz-storage-class", class);
        assert_eq!(server.send(&put).await.status, 200, "{class}");
        assert_eq!(shown("k").await, class);
        assert_eq!(server.get("k").await.body, b"hello");
        let copy = server.ask("PUT", "/bkt/copy").header("x-amz-copy-source", "/bkt/k");
        assert_eq!(server.send(&copy).await.status, 200);
        assert_eq!(shown("copy").await, "STANDARD");
        assert_eq!(server.send(&copy.header("x-amz-storage-class", class)).await.status, 200);
        assert_eq!(shown("copy").await, class);
    }
    // Another class is a change, so a copy onto itself may make it.
    let onto_itself = server.ask("PUT", "/bkt/k").header("x-amz-copy-source", "/bkt/k");
    assert_eq!(server.send(&onto_itself).await.code(), "InvalidRequest");
    assert_eq!(server.send(&onto_itself.header("x-amz-storage-class", "STANDARD")).await.status, 200);
    assert_eq!(shown("k").await, "STANDARD");
    let begun = server.ask("POST", "/bkt/up?uploads").header("x-amz-storage-class", "STANDARD_IA");
    let upload = server.send(&begun).await.between("<UploadId>", "<").to_owned();
    for target in ["/bkt?uploads".to_owned(), format!("/bkt/up?uploadId={upload}")] {
        let page = server.send(&server.ask("GET", &target)).await;
        assert_eq!(page.between("<StorageClass>", "<"), "STANDARD_IA", "{}", page.text());
    }
    let unknown = server.send(&server.ask("PUT", "/bkt/k").header("x-amz-storage-class", "COLD")).await;
    assert_eq!((unknown.status, unknown.code()), (400, "InvalidStorageClass"));
}

#[tokio::test]
async fn a_copy_reads_of_its_request_what_it_uses() {
    let server = S3Server::new().await;
    let put = server.ask("PUT", "/bkt/a%20b").body("hello").header("x-amz-website-redirect-location", "/x");
    assert_eq!(server.send(&put.header("x-amz-meta-a", "1")).await.status, 200);
    let copy = |source: &str| server.ask("PUT", "/bkt/copy").header("x-amz-copy-source", source);
    let long = "x".repeat(2049);
    // A plus is a blank; what the directive leaves to the source is not read; a redirect is never copied.
    let answer = server.send(&copy("bkt/a+b").header("x-amz-meta-b", &long)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let copied = server.get("copy").await;
    assert_eq!((copied.header("x-amz-meta-a"), copied.header("x-amz-meta-b")), (Some("1"), None));
    assert_eq!((copied.header("x-amz-website-redirect-location"), copied.body.as_slice()), (None, &b"hello"[..]));
    let replace = copy("bkt/a%20b").header("x-amz-metadata-directive", "REPLACE").header("x-amz-meta-b", &long);
    assert_eq!(server.send(&replace).await.code(), "MetadataTooLarge");
    for source in ["bkt/%ZZ", "bkt/%4", "Not_A_Bucket/k", "bkt", "x/k"] {
        let answer = server.send(&copy(source)).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidArgument"), "{source}: {answer:?}");
    }
    for (method, target) in [("PUT", "/bkt/k"), ("POST", "/bkt/k?uploads"), ("PUT", "/bkt/copy")] {
        let ask = server.ask(method, target).header("x-amz-website-redirect-location", "ftp://x");
        let ask = if target == "/bkt/copy" { ask.header("x-amz-copy-source", "bkt/a+b") } else { ask };
        let answer = server.send(&ask).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidRedirectLocation"), "{target}: {answer:?}");
    }
}

#[tokio::test]
async fn a_legal_hold_that_never_was_is_told_absent() {
    let server = S3Server::new().await;
    let lock = server.ask("PUT", "/locked").header("x-amz-bucket-object-lock-enabled", "true");
    assert_eq!(server.send(&lock).await.status, 200);
    let put = |key: &str| server.ask("PUT", &format!("/locked/{key}")).body("hello");
    let held = async |key: &str| server.send(&server.ask("GET", &format!("/locked/{key}?legal-hold"))).await;
    let shown = async |key: &str| {
        let answer = server.send(&server.ask("HEAD", &format!("/locked/{key}"))).await;
        answer.header("x-amz-object-lock-legal-hold").map(str::to_owned)
    };
    assert_eq!(server.send(&put("k")).await.status, 200);
    let answer = held("k").await;
    assert_eq!((answer.status, answer.code()), (404, "NoSuchObjectLockConfiguration"), "{answer:?}");
    assert_eq!(shown("k").await, None);
    for status in ["OFF", "ON", "OFF"] {
        let document = format!("<LegalHold><Status>{status}</Status></LegalHold>");
        let ask = server.ask("PUT", "/locked/k?legal-hold").header("x-amz-checksum-crc32", &crc32(document.as_bytes()));
        assert_eq!(server.send(&ask.body(document)).await.status, 200);
        assert_eq!(held("k").await.between("<Status>", "<"), status);
        assert_eq!(shown("k").await.as_deref(), Some(status));
    }
    // With a lock a digest is needed.
    let until = ("x-amz-object-lock-retain-until-date", "2090-01-01T00:00:00Z");
    let governed = put("g").header("x-amz-object-lock-mode", "GOVERNANCE").header(until.0, until.1);
    for ask in [put("h").header("x-amz-object-lock-legal-hold", "OFF"), governed] {
        let answer = server.send(&ask).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidRequest"), "{answer:?}");
        let message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock \
                       parameters";
        assert_eq!(answer.between("<Message>", "</Message>"), message);
        assert_eq!(server.send(&ask.header("x-amz-checksum-crc32", "NhCmhg==")).await.status, 200);
    }
    assert_eq!(held("h").await.between("<Status>", "<"), "OFF");
}

#[tokio::test]
async fn tags_are_of_the_characters_that_they_may_have() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    for (key, value) in [("user!name", "x"), ("x", "a,b"), ("aws:x", "y"), ("", "x"), ("x", "a\tb")] {
        let tag = format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
        let document = format!("<Tagging><TagSet>{tag}</TagSet></Tagging>");
        let answer = server.send(&server.ask("PUT", "/bkt/k?tagging").body(document)).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidTag"), "{key} {value}: {answer:?}");
        assert_eq!(answer.between("<TagKey>", "<"), key);
    }
    for (tags, code) in [
        ("key%", "InvalidArgument"),
        ("=", "InvalidArgument"),
        ("key1=val1,key2=val2", "InvalidArgument"),
        ("aws%3Ax=y", "InvalidTag"),
    ] {
        let answer = server.send(&server.ask("PUT", "/bkt/k").header("x-amz-tagging", tags)).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{tags}: {answer:?}");
    }
    assert!(server.send(&server.ask("GET", "/bkt/k?tagging")).await.text().contains("<TagSet></TagSet>"));
}

#[tokio::test]
async fn what_a_signature_needs_and_what_it_can_do_without() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    let wire = String::from_utf8(server.ask("GET", "/bkt/k").wire()).unwrap();
    let (before, after) = wire.split_once("x-amz-content-sha256: ").unwrap();
    let without = [before, after.split_once("\r\n").unwrap().1].concat();
    let answer = server.send_raw(without.as_bytes()).await;
    assert_eq!((answer.status, answer.code()), (400, "InvalidRequest"), "{answer:?}");
    let message = "Missing required header for this request: x-amz-content-sha256";
    assert_eq!(answer.between("<Message>", "</Message>"), message);
    // A header whose name is signed and that is not sent counts as empty.
    for empty in ["content-type", "x-amz-meta-empty"] {
        let wire = String::from_utf8(server.ask("GET", "/bkt/k").header(empty, "").wire()).unwrap();
        let without = wire.replacen(&format!("{empty}: \r\n"), "", 1);
        assert_ne!(without, wire);
        assert_eq!(server.send_raw(without.as_bytes()).await.body, b"hello", "{empty}");
    }
    let created = server.send(&server.ask("PUT", "/bkt2")).await;
    assert_eq!(created.header("x-amz-bucket-arn"), Some("arn:aws:s3:::bkt2"));
}

#[tokio::test]
async fn what_is_no_request_is_told_so_in_s3s_words() {
    let server = S3Server::new().await;
    let long = server.ask("GET", "/bkt/k").header("x-long", &"x".repeat(100_000)).wire();
    for (wire, code) in [
        (&b"\0\0\0 / HTTP/1.1\r\n\r\n"[..], "BadRequest"),
        (b"GET /bkt HTTP/1.1\r\n: \r\n\r\n", "BadRequest"),
        (&long, "RequestHeaderSectionTooLarge"),
    ] {
        let answer = server.send_raw(wire).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/xml"));
        assert_eq!(answer.between("<RequestId>", "<"), answer.header("x-amz-request-id").unwrap());
    }
}
