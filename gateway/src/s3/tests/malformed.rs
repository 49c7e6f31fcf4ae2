//! Requests that AWS refuses: each is told what AWS would say, and changes nothing.

use super::bodies::crc32;
use super::client::{Ask, Defect, PayloadMode, Place};
use super::wire::{is_closed, open, read, write};
use super::*;

/// The request's bytes with a piece of its head changed.
fn changed(ask: &Ask, from: &str, to: &str) -> Vec<u8> {
    let wire = String::from_utf8(ask.wire()).unwrap();
    let changed = wire.replacen(from, to, 1);
    assert_ne!(changed, wire);
    changed.into_bytes()
}

/// A request whose document is covered by a checksum.
fn with_document(ask: Ask, document: &str) -> Ask {
    let sum = crc32(document.as_bytes());
    ask.header("x-amz-checksum-crc32", &sum).body(document)
}

async fn begin_upload(server: &S3Server) -> String {
    let answer = server.send(&server.ask("POST", "/bkt/up?uploads")).await;
    answer.between("<UploadId>", "</UploadId>").to_owned()
}

#[tokio::test]
async fn where_a_body_is_needed_its_length_is_too() {
    let server = S3Server::new().await;
    server.put("there", "x").await;
    let part = format!("/bkt/up?partNumber=1&uploadId={}", begin_upload(&server).await);
    for (place, mode) in [
        (Place::Header, PayloadMode::Signed),
        (Place::Header, PayloadMode::Unsigned),
        (Place::Header, PayloadMode::Chunks),
        (Place::Header, PayloadMode::UnsignedTrailer),
        (Place::Query, PayloadMode::Unsigned),
    ] {
        for target in ["/bkt/k", &part] {
            let mut ask = server.ask("PUT", target).how(place, mode, Defect::None);
            let answer = server.send_raw(&changed(&ask, "\r\ncontent-length", "\r\nx-length")).await;
            assert_eq!((answer.status, answer.code()), (411, "MissingContentLength"), "{target} {mode:?} {answer:?}");
            assert_eq!(answer.between("<Message>", "</Message>"), "You must provide the Content-Length HTTP header.");
            // A length of nothing is one, and so is an end that is sent.
            assert_eq!(server.send(&ask).await.status, 200, "{target} {mode:?}");
            ask.with_length = false;
            ask.body = b"hello".to_vec();
            assert_eq!(server.send(&ask).await.status, 200, "{target} {mode:?}");
        }
        assert_eq!(server.send(&server.ask("DELETE", "/bkt/k")).await.status, 204);
    }
    for (method, target) in [("PUT", "/bkt/there?tagging"), ("POST", "/bkt?delete"), ("PUT", "/bkt?versioning")] {
        let ask = with_document(server.ask(method, target), "");
        let answer = server.send_raw(&changed(&ask, "\r\ncontent-length", "\r\nx-length")).await;
        assert_eq!((answer.status, answer.code()), (411, "MissingContentLength"), "{method} {target} {answer:?}");
    }
    // Nothing is told to others.
    let ask = server.ask("PUT", "/bkt/k").how(Place::Header, PayloadMode::Signed, Defect::WrongSignature);
    assert_eq!(
        server.send_raw(&changed(&ask, "\r\ncontent-length", "\r\nx-length")).await.code(),
        "SignatureDoesNotMatch"
    );
}

#[tokio::test]
async fn where_no_body_is_needed_no_length_is() {
    let server = S3Server::new().await;
    server.put("k", "x").await;
    let canned = |target: &str| server.ask("PUT", target).header("x-amz-acl", "bucket-owner-full-control");
    for ask in [
        server.ask("PUT", "/bkt2"),
        canned("/bkt?acl"),
        canned("/bkt/k?acl"),
        server.ask("PUT", "/bkt/copy").header("x-amz-copy-source", "/bkt/k"),
        server.ask("POST", "/bkt/up?uploads"),
        server.ask("GET", "/bkt/k"),
        server.ask("DELETE", "/bkt/k"),
        server.ask("DELETE", "/bkt2"),
    ] {
        let answer = server.send_raw(&changed(&ask, "\r\ncontent-length", "\r\nx-length")).await;
        assert!(matches!(answer.status, 200 | 204), "{} {}: {answer:?}", ask.method, ask.target);
    }
}

#[tokio::test]
async fn over_http2_frames_say_where_a_body_ends() {
    let server = S3Server::over_http2().await;
    assert_eq!(server.send(&server.ask("PUT", "/bkt")).await.status, 200);
    for body in ["", "hello"] {
        let mut ask = server.ask("PUT", "/bkt/k").body(body);
        ask.with_length = false;
        assert_eq!(server.send(&ask).await.status, 200);
        assert_eq!(server.get("k").await.body, body.as_bytes());
    }
}

#[tokio::test]
async fn an_element_that_may_stand_once_stands_once() {
    let server = S3Server::new().await;
    server.put("a", "x").await;
    server.put("b", "x").await;
    let lock = server.ask("PUT", "/locked").header("x-amz-bucket-object-lock-enabled", "true");
    assert_eq!(server.send(&lock).await.status, 200);
    assert_eq!(server.send(&server.ask("PUT", "/locked/k").body("x")).await.status, 200);
    let complete = format!("/bkt/up?uploadId={}", begin_upload(&server).await);
    let tag = "<Key>k</Key><Value>v</Value>";
    let grant = "<Grant><Grantee><ID>me</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>";
    let until = "<RetainUntilDate>2999-01-01T00:00:00Z</RetainUntilDate>";
    let default = "<DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention>";
    let malformed = "MalformedXML";
    for (method, target, root, document, code) in [
        ("POST", "/bkt?delete", "Delete", "<Object><Key>a</Key><Key>b</Key></Object>".to_owned(), malformed),
        ("POST", "/bkt?delete", "Delete", "<Object><Key>a</Key><Key>a</Key></Object>".to_owned(), malformed),
        (
            "POST",
            "/bkt?delete",
            "Delete",
            "<Object><Key>a</Key><VersionId>null</VersionId><VersionId>x</VersionId></Object>".to_owned(),
            malformed,
        ),
        (
            "POST",
            "/bkt?delete",
            "Delete",
            "<Quiet>true</Quiet><Object><Key>a</Key></Object><Quiet>false</Quiet>".to_owned(),
            malformed,
        ),
        (
            "POST",
            &complete,
            "CompleteMultipartUpload",
            "<Part><PartNumber>1</PartNumber><PartNumber>2</PartNumber><ETag>x</ETag></Part>".to_owned(),
            malformed,
        ),
        ("PUT", "/bkt/a?tagging", "Tagging", format!("<TagSet><Tag>{tag}<Key>k</Key></Tag></TagSet>"), malformed),
        ("PUT", "/bkt/a?tagging", "Tagging", format!("<TagSet><Tag>{tag}</Tag></TagSet><TagSet/>"), malformed),
        (
            "PUT",
            "/bkt?versioning",
            "VersioningConfiguration",
            "<Status>Enabled</Status><Status>Suspended</Status>".to_owned(),
            malformed,
        ),
        ("PUT", "/locked/k?legal-hold", "LegalHold", "<Status>OFF</Status><Status>ON</Status>".to_owned(), malformed),
        (
            "PUT",
            "/locked/k?retention",
            "Retention",
            format!("<Mode>GOVERNANCE</Mode><Mode>COMPLIANCE</Mode>{until}"),
            malformed,
        ),
        (
            "PUT",
            "/locked?object-lock",
            "ObjectLockConfiguration",
            format!("<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>{default}</Rule><Rule>{default}</Rule>"),
            malformed,
        ),
        (
            "PUT",
            "/bkt2",
            "CreateBucketConfiguration",
            "<LocationConstraint>us-east-1</LocationConstraint><LocationConstraint>mars</LocationConstraint>"
                .to_owned(),
            malformed,
        ),
        (
            "PUT",
            "/bkt?acl",
            "AccessControlPolicy",
            format!("<AccessControlList>{grant}</AccessControlList><AccessControlList/>"),
            "MalformedACLError",
        ),
    ] {
        let ask = with_document(server.ask(method, target), &format!("<{root}>{document}</{root}>"));
        let answer = server.send(&ask).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{target} {document}: {answer:?}");
    }
    assert_eq!(server.get("a").await.body, b"x");
    assert_eq!(server.get("b").await.body, b"x");
}

#[tokio::test]
async fn a_document_is_utf_8_and_says_nothing_else() {
    let server = S3Server::new().await;
    server.put("%C3%BC", "x").await;
    let body = "<Delete><Object><Key>\u{fc}</Key></Object></Delete>";
    let latin: Vec<u8> = body.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let declared = |encoding: &str| format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>");
    let utf_16: Vec<u8> =
        format!("\u{feff}{}{body}", declared("UTF-16")).encode_utf16().flat_map(u16::to_be_bytes).collect();
    for document in [
        [declared("UTF-16").as_bytes(), body.as_bytes()].concat(),
        [declared("ISO-8859-1").as_bytes(), body.as_bytes()].concat(),
        [declared("ISO-8859-1").as_bytes(), &latin].concat(),
        latin.clone(),
        utf_16,
    ] {
        let ask = server.ask("POST", "/bkt?delete").header("x-amz-checksum-crc32", &crc32(&document));
        let answer = server.send(&ask.body(&document)).await;
        assert_eq!((answer.status, answer.code()), (400, "MalformedXML"), "{answer:?}");
    }
    assert_eq!(server.get("%C3%BC").await.status, 200);
    let document = format!("{}{body}", declared("utf-8"));
    assert_eq!(server.send(&with_document(server.ask("POST", "/bkt?delete"), &document)).await.status, 200);
    assert_eq!(server.get("%C3%BC").await.status, 404);
}

#[tokio::test]
async fn presigned_urls_that_say_what_they_may_not_are_told_so() {
    let server = S3Server::new().await;
    server.put("k", "x").await;
    let ask = server.ask("GET", "/bkt/k").how(Place::Query, PayloadMode::Unsigned, Defect::None);
    assert_eq!(server.send(&ask).await.body, b"x");
    for (from, to, message) in [
        ("Expires=600", "Expires=-1", "X-Amz-Expires must be non-negative"),
        (
            "Expires=600",
            "Expires=604801",
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
             604800 seconds",
        ),
        ("Expires=600", "Expires=ten", "X-Amz-Expires should be a number"),
        ("Expires=600", "Expires=", "X-Amz-Expires should be a number"),
        (
            "X-Amz-Expires=600&",
            "",
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
             X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        ),
        ("HMAC-SHA256", "HMAC-MD5", "X-Amz-Algorithm only supports &quot;AWS4-HMAC-SHA256&quot;"),
        (
            "%2Faws4_request",
            "",
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \
             &quot;&lt;YOUR-AKID&gt;/YYYYMMDD/REGION/SERVICE/aws4_request&quot;.",
        ),
        (
            "X-Amz-Date=",
            "X-Amz-Date=x",
            "X-Amz-Date must be in the ISO8601 Long Format &quot;yyyyMMdd'T'HHmmss'Z'&quot;",
        ),
    ] {
        let answer = server.send_raw(&changed(&ask, from, to)).await;
        assert_eq!((answer.status, answer.code()), (400, "AuthorizationQueryParametersError"), "{to}: {answer:?}");
        assert_eq!(answer.between("<Message>", "</Message>"), message, "{to}");
    }
    let for_no_time = server.send_raw(&changed(&ask, "Expires=600", "Expires=0")).await;
    let mut late = ask;
    late.now_us -= 601_000_000;
    for answer in [for_no_time, server.send(&late).await] {
        assert_eq!((answer.status, answer.code()), (403, "AccessDenied"), "{answer:?}");
        assert_eq!(answer.between("<Message>", "</Message>"), "Request has expired");
    }
}

#[tokio::test]
async fn a_target_holds_what_a_target_may() {
    let server = S3Server::new().await;
    server.put("k", "x").await;
    let ask = server.ask("GET", "/bkt/k");
    for (method, from, to) in
        [("GET", "/bkt/k ", "/bkt/k#x "), ("PUT", "/bkt/new ", "/bkt/new#?x "), ("GET", "/bkt/k ", "/bkt/k?#x=:y ")]
    {
        let target = from.trim_end();
        let mut connection = open(server.listener.address, &changed(&server.ask(method, target), from, to)).await;
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidURI"), "{to}: {answer:?}");
        assert!(is_closed(&mut connection).await, "{to}");
    }
    for raw in ["/bkt/\u{fc} ", "/bkt/k?x=\u{1f451} "] {
        let answer = server.send_raw(&changed(&ask, "/bkt/k ", raw)).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidURI"), "{raw}: {answer:?}");
    }
    for raw in ["/bkt/k x ", "/bkt/k\tx ", "/bkt/k\u{1} ", "/bkt/k\u{7f} ", "/bkt/k\0 ", "/bkt/<k> "] {
        assert_eq!(server.send_raw(&changed(&ask, "/bkt/k ", raw)).await.status, 400, "{raw:?}");
    }
    let mut bytes = ask.wire();
    let at = bytes.windows(6).position(|part| part == b"/bkt/k").unwrap();
    bytes[at + 5] = 0xff;
    assert_eq!(server.send_raw(&bytes).await.status, 400);
    assert_eq!(server.get("new").await.status, 404);
}

#[tokio::test]
async fn no_coding_of_http_but_chunked_is_taken_off() {
    let server = S3Server::new().await;
    let mut ask = server.ask("PUT", "/bkt/k").body("zipped").how(Place::Header, PayloadMode::Unsigned, Defect::None);
    ask.with_length = false;
    for codings in [
        "gzip, chunked",
        "gzip,chunked",
        "gzip\r\ntransfer-encoding: chunked",
        "identity, chunked",
        "chunked, chunked",
        "deflate;q=1, chunked",
    ] {
        let wire = changed(&ask, "transfer-encoding: chunked", &format!("transfer-encoding: {codings}"));
        let mut connection = open(server.listener.address, &wire).await;
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.code()), (501, "NotImplemented"), "{codings}: {answer:?}");
        assert_eq!(answer.between("<Header>", "</Header>"), "Transfer-Encoding");
        assert!(is_closed(&mut connection).await, "{codings}");
    }
    for codings in ["gzip", "chunked, gzip", "identity"] {
        let wire = changed(&ask, "transfer-encoding: chunked", &format!("transfer-encoding: {codings}"));
        assert_eq!(server.send_raw(&wire).await.status, 400, "{codings}");
    }
    let of_old = changed(&ask, "HTTP/1.1", "HTTP/1.0");
    assert_eq!(server.send_raw(&of_old).await.status, 400);
    assert_eq!(server.get("k").await.status, 404);
    let wire = changed(&ask, "transfer-encoding: chunked", "Transfer-Encoding: CHUNKED");
    assert_eq!(server.send_raw(&wire).await.status, 200);
    assert_eq!(server.get("k").await.body, b"zipped");
}

#[tokio::test]
async fn a_client_is_asked_for_its_body_if_it_expects_that_and_nothing_else_that_it_expects_counts() {
    let server = S3Server::new().await;
    let expecting = |expected: &str| server.ask("PUT", "/bkt/k").body("hello").header("expect", expected);
    for expected in ["200-foo", "200", "", "100-continued", "\"100-continue\""] {
        let answer = server.send(&server.ask("PUT", "/bkt/k").body(expected).header("expect", expected)).await;
        assert_eq!((answer.status, answer.continued), (200, false), "{expected}: {answer:?}");
        assert_eq!(server.get("k").await.body, expected.as_bytes());
    }
    for expected in ["100-continue", "100-Continue", "100-CONTINUE"] {
        let (head, body) = expecting(expected).head_and_body();
        let mut connection = open(server.listener.address, &head).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        write(&mut connection, &body).await;
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.continued), (200, true), "{expected}: {answer:?}");
        assert_eq!(server.get("k").await.body, b"hello");
    }
}
