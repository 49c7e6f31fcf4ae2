//! Uploads in parts: their checksums, the numbers of their parts, copies into them, and what is wrong with them.

use super::bodies::{crc32, sum_of};
use super::client::Ask;
use super::*;

const LARGE: usize = 5 << 20;

/// Begins an upload of `key` with these headers.
async fn begin(server: &S3Server, key: &str, headers: &[(&str, &str)]) -> String {
    let ask = headers
        .iter()
        .fold(server.ask("POST", &format!("/bkt/{key}?uploads")), |ask, (name, value)| ask.header(name, value));
    let answer = server.send(&ask).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.between("<UploadId>", "</UploadId>").to_owned()
}

fn part(server: &S3Server, key: &str, upload: &str, number: u16, body: impl AsRef<[u8]>) -> Ask {
    server.ask("PUT", &format!("/bkt/{key}?partNumber={number}&uploadId={upload}")).body(body)
}

/// A completion by parts, each its number, its tag and what else is said of it.
fn complete(server: &S3Server, key: &str, upload: &str, parts: &[(u16, &str, &str)]) -> Ask {
    let parts: String = parts
        .iter()
        .map(|(number, etag, more)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{more}</Part>"))
        .collect();
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    server.ask("POST", &format!("/bkt/{key}?uploadId={upload}")).body(document)
}

fn message(answer: &Answer) -> &str {
    answer.between("<Message>", "</Message>")
}

#[tokio::test]
async fn the_checksum_that_the_server_gave_is_the_parts_own() {
    let server = S3Server::new().await;
    let upload = begin(&server, "k", &[]).await;
    let put = server.send(&part(&server, "k", &upload, 1, "hello world")).await;
    let (etag, sum) = (put.header("etag").unwrap(), put.header("x-amz-checksum-crc64nvme").unwrap());
    assert_eq!(sum, "jSnVw/bqjr4=");
    for wrong in
        ["<ChecksumCRC64NVME>M3eFcAZSQlc=</ChecksumCRC64NVME>", "<ChecksumXXHASH64>jSnVw/bqjr4=</ChecksumXXHASH64>"]
    {
        let answer = server.send(&complete(&server, "k", &upload, &[(1, etag, wrong)])).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidPart"), "{wrong}: {answer:?}");
        let said = ["<PartNumber>", "<UploadId>", "<ETag>"].map(|element| answer.between(element, "<"));
        assert_eq!(said, ["1", upload.as_str(), etag.trim_matches('"')]);
    }
    let said = format!("<ChecksumCRC64NVME>{sum}</ChecksumCRC64NVME>");
    let done = complete(&server, "k", &upload, &[(1, etag, &said)]);
    assert_eq!(server.send(&done).await.status, 200);
    assert_eq!(server.send(&done).await.status, 200, "a repeat");
    assert_eq!(server.get("k").await.body, b"hello world");
}

#[tokio::test]
async fn what_is_composed_of_checksums_needs_each() {
    let server = S3Server::new().await;
    for name in ["CRC32", "CRC32C", "MD5", "SHA1", "SHA256", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128"] {
        let lower = name.to_lowercase();
        let (header, sum) = (format!("x-amz-checksum-{lower}"), sum_of(&lower));
        let upload = begin(&server, "k", &[("x-amz-checksum-algorithm", name)]).await;
        for (ask, given) in [
            (part(&server, "k", &upload, 1, "hello"), "null"),
            (
                part(&server, "k", &upload, 1, "hello").header("x-amz-checksum-crc64nvme", sum_of("crc64nvme")),
                "crc64nvme",
            ),
        ] {
            let answer = server.send(&ask).await;
            let expected = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {lower}, actual checksum Type: {given}"
            );
            assert_eq!((answer.status, answer.code(), message(&answer)), (400, "InvalidRequest", &*expected));
        }
        let put = server.send(&part(&server, "k", &upload, 1, "hello").header(&header, sum)).await;
        assert_eq!((put.status, put.header(&header)), (200, Some(sum)), "{put:?}");
        let etag = put.header("etag").unwrap();
        let without = server.send(&complete(&server, "k", &upload, &[(1, etag, "")])).await;
        let expected = format!(
            "The upload was created using a {lower} checksum. The complete request must include the checksum for each \
             part. It was missing for part 1 in the request."
        );
        assert_eq!((without.status, without.code(), message(&without)), (400, "InvalidRequest", &*expected));
        let said = format!("<Checksum{name}>{sum}</Checksum{name}>");
        let done = server.send(&complete(&server, "k", &upload, &[(1, etag, &said)])).await;
        let whole = done.between(&format!("<Checksum{name}>"), "<").to_owned();
        assert!(done.status == 200 && whole.ends_with("-1") && done.text().contains("COMPOSITE"), "{}", done.text());
        let shown = server.send(&server.ask("HEAD", "/bkt/k").header("x-amz-checksum-mode", "ENABLED")).await;
        assert_eq!(shown.header(&header), Some(whole.as_str()));
    }
    // SHA-256 of the SHA-256 of `hello`.
    let upload = begin(&server, "k", &[("x-amz-checksum-algorithm", "SHA256")]).await;
    let put = part(&server, "k", &upload, 1, "hello").header("x-amz-checksum-sha256", sum_of("sha256"));
    let etag = server.send(&put).await.header("etag").unwrap().to_owned();
    let said = format!("<ChecksumSHA256>{}</ChecksumSHA256>", sum_of("sha256"));
    let done = complete(&server, "k", &upload, &[(1, &etag, &said)]);
    let whole = "lZXJ35AHUUjrBoYDZd8zWEt1v/eCpRDGzUiDpBmDPVA=";
    let with = |sum: &str| done.clone().header("x-amz-checksum-sha256", sum);
    for (wrong, code) in [
        (format!("{whole}-2"), "BadDigest"),
        (sum_of("sha256").to_owned(), "BadDigest"),
        ("invalid".to_owned(), "InvalidRequest"),
        (format!("{whole}-x"), "InvalidRequest"),
    ] {
        let answer = server.send(&with(&wrong)).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{wrong}: {answer:?}");
        if code == "BadDigest" {
            assert_eq!(message(&answer), "The SHA256 you specified did not match the calculated checksum.");
        }
    }
    assert_eq!(server.send(&with(&format!("{whole}-1"))).await.status, 200);
}

#[tokio::test]
async fn a_completion_says_of_the_object_what_is_true() {
    let server = S3Server::new().await;
    let upload = begin(&server, "k", &[]).await;
    let etag = server.send(&part(&server, "k", &upload, 1, "hello")).await.header("etag").unwrap().to_owned();
    let done = |more: &str| complete(&server, "k", &upload, &[(1, &etag, more)]);
    let mode = "The upload was created using the FULL_OBJECT checksum mode. The complete request must use the same \
                checksum mode.";
    let other = "The CRC32 you specified did not match the calculated checksum.";
    for (ask, code, said) in [
        (done("").header("x-amz-checksum-type", "COMPOSITE"), "InvalidRequest", mode),
        (
            done("").header("x-amz-checksum-type", "invalid_type"),
            "InvalidRequest",
            "Value for x-amz-checksum-type header is invalid.",
        ),
        (done("").header("x-amz-checksum-crc32", &crc32(b"hello")), "BadDigest", other),
        (
            done("").header("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
            "BadDigest",
            "The CRC64NVME you specified did not match the calculated checksum.",
        ),
        (
            done("").header("x-amz-mp-object-size", "4"),
            "InvalidRequest",
            "The provided 'x-amz-mp-object-size' header value 4 does not match what was computed: 5",
        ),
        (
            done("").header("x-amz-mp-object-size", "-1"),
            "InvalidRequest",
            "Value for x-amz-mp-object-size header is less than zero: '-1'",
        ),
        (
            done("").header("x-amz-mp-object-size", "many"),
            "InvalidRequest",
            "Value for x-amz-mp-object-size header is invalid: 'many'",
        ),
        (
            done("<ChecksumCRC32>invalid</ChecksumCRC32>"),
            "InvalidArgument",
            "Invalid Base64 or multiple checksums present in request",
        ),
    ] {
        let answer = server.send(&ask).await;
        assert_eq!((answer.status, answer.code(), message(&answer)), (400, code, said), "{answer:?}");
    }
    assert_eq!(server.get("k").await.status, 404);
    let right = done("").header("x-amz-checksum-type", "FULL_OBJECT").header("x-amz-mp-object-size", "5");
    assert_eq!(server.send(&right.header("x-amz-checksum-crc64nvme", sum_of("crc64nvme"))).await.status, 200);
}

#[tokio::test]
async fn a_completion_meets_its_condition_or_says_which_it_was() {
    let server = S3Server::new().await;
    server.put("k", "there").await;
    let upload = begin(&server, "k", &[]).await;
    let etag = server.send(&part(&server, "k", &upload, 1, "hello")).await.header("etag").unwrap().to_owned();
    let done = complete(&server, "k", &upload, &[(1, &etag, "")]);
    let answer = server.send(&done.clone().header("if-none-match", "*")).await;
    assert_eq!((answer.status, answer.between("<Condition>", "<")), (412, "If-None-Match"), "{answer:?}");
    let answer = server.send(&done.clone().header("if-match", &etag)).await;
    assert_eq!((answer.status, answer.between("<Condition>", "<")), (412, "If-Match"), "{answer:?}");
    let answer = server.send(&done.header("if-none-match", &etag)).await;
    assert_eq!((answer.status, answer.code()), (501, "NotImplemented"), "{answer:?}");
    assert_eq!(server.get("k").await.body, b"there");
}

#[tokio::test]
async fn an_upload_is_of_its_bucket_and_its_key() {
    let server = S3Server::new().await;
    assert_eq!(server.send(&server.ask("PUT", "/other")).await.status, 200);
    let theirs = begin(&server, "k", &[]).await;
    let parts = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>made up</ETag></Part>\
                 </CompleteMultipartUpload>";
    for id in ["x", "00000000000000000000000000000000", &theirs] {
        for (bucket, code) in [("none", "NoSuchBucket"), ("other", "NoSuchUpload")] {
            let target = format!("/{bucket}/k?uploadId={id}");
            let numbered = format!("{target}&partNumber=1");
            for ask in [
                server.ask("DELETE", &target),
                server.ask("POST", &target).body(parts),
                server.ask("GET", &target),
                server.ask("PUT", &numbered).body("hello"),
                server.ask("PUT", &numbered).header("x-amz-copy-source", "/bkt/k"),
            ] {
                let answer = server.send(&ask).await;
                assert_eq!((answer.status, answer.code()), (404, code), "{} {target}: {answer:?}", ask.method);
                let named = if code == "NoSuchUpload" { id } else { "" };
                assert_eq!(answer.between("<UploadId>", "<"), named, "{} {target}", ask.method);
            }
        }
    }
    let own = server.ask("POST", &format!("/bkt/k?uploadId={theirs}")).body(parts);
    assert_eq!(server.send(&own).await.code(), "InvalidPart");
}

#[tokio::test]
async fn parts_are_counted_whatever_their_numbers() {
    let server = S3Server::new().await;
    let upload = begin(&server, "k", &[]).await;
    let bodies = [vec![b'3'; LARGE], vec![b'5'; LARGE + 1], b"nine".to_vec()];
    let mut etags = Vec::new();
    for (number, body) in [3, 5, 9].into_iter().zip(&bodies) {
        let answer = server.send(&part(&server, "k", &upload, number, body)).await;
        etags.push(answer.header("etag").unwrap().to_owned());
    }
    let small = complete(&server, "k", &upload, &[(3, &etags[0], ""), (9, &etags[2], ""), (10, &etags[2], "")]);
    assert_eq!(server.send(&small).await.code(), "InvalidPart");
    let parts = [(3, &*etags[0], ""), (5, &*etags[1], ""), (9, &*etags[2], "")];
    assert_eq!(server.send(&complete(&server, "k", &upload, &parts)).await.status, 200);
    for (number, body) in (1..).zip(&bodies) {
        let answer = server.send(&server.ask("GET", &format!("/bkt/k?partNumber={number}"))).await;
        assert_eq!((answer.status, answer.header("x-amz-mp-parts-count")), (206, Some("3")), "{number}");
        assert!(answer.body == *body, "{number}");
    }
    for number in [4, 5, 9] {
        let answer = server.send(&server.ask("GET", &format!("/bkt/k?partNumber={number}"))).await;
        assert_eq!((answer.status, answer.code()), (416, "InvalidPartNumber"), "{number}");
    }
}

#[tokio::test]
async fn a_part_that_is_too_small_is_named() {
    let server = S3Server::new().await;
    let upload = begin(&server, "k", &[]).await;
    let etag = server.send(&part(&server, "k", &upload, 2, "hello")).await.header("etag").unwrap().to_owned();
    server.send(&part(&server, "k", &upload, 3, "hello")).await;
    let answer = server.send(&complete(&server, "k", &upload, &[(2, &etag, ""), (3, &etag, "")])).await;
    assert_eq!((answer.status, answer.code()), (400, "EntityTooSmall"), "{answer:?}");
    let said = ["<ProposedSize>", "<MinSizeAllowed>", "<PartNumber>", "<ETag>"].map(|name| answer.between(name, "<"));
    assert_eq!(said, ["5", "5242880", "2", etag.trim_matches('"')]);
}

#[tokio::test]
async fn a_copied_part_says_of_which_version_it_is() {
    let server = S3Server::new().await;
    server.put("unversioned", "hello world").await;
    let upload = begin(&server, "k", &[]).await;
    let copy = |source: &str| part(&server, "k", &upload, 1, "").header("x-amz-copy-source", source);
    let name = "x-amz-copy-source-version-id";
    assert_eq!(server.send(&copy("/bkt/unversioned")).await.header(name), None);
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(server.send(&server.ask("PUT", "/bkt?versioning").body(enabled)).await.status, 200);
    let put = server.send(&server.ask("PUT", "/bkt/s").body("hello world")).await;
    let version = put.header("x-amz-version-id").unwrap();
    for source in ["/bkt/s".to_owned(), format!("/bkt/s?versionId={version}")] {
        let answer = server.send(&copy(&source)).await;
        assert_eq!((answer.status, answer.header(name)), (200, Some(version)), "{source}: {answer:?}");
    }
    assert_eq!(server.send(&copy("/bkt/unversioned")).await.header(name), Some("null"));
    for range in ["bytes=0-100", "bytes=11-11", "bytes=0-", "bytes=-5", "bytes=5-4", "0-1"] {
        let answer = server.send(&copy("/bkt/s").header("x-amz-copy-source-range", range)).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidArgument"), "{range}: {answer:?}");
    }
    assert_eq!(server.send(&copy("/bkt/s").header("x-amz-copy-source-range", "bytes=0-10")).await.status, 200);
}
