//! Bodies: framed in every way, and not what their sender said of them.

use super::client::{Ask, Defect, PayloadMode, Place};
use super::*;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const MODES: [PayloadMode; 5] = [
    PayloadMode::Unsigned,
    PayloadMode::Signed,
    PayloadMode::Chunks,
    PayloadMode::ChunksTrailer,
    PayloadMode::UnsignedTrailer,
];

pub(super) fn crc32(body: &[u8]) -> String {
    let value = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, body);
    BASE64_STANDARD.encode(u32::try_from(value).unwrap().to_be_bytes())
}

#[tokio::test]
async fn every_mode_stores_the_same_bytes() {
    let server = S3Server::new().await;
    let body: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    for place in [Place::Header, Place::Query] {
        for mode in MODES {
            for with_length in [true, false] {
                for trailer in [false, true] {
                    let mut ask = server.ask("PUT", "/bkt/k").body(&body).how(place, mode, Defect::None);
                    ask.with_length = with_length;
                    if trailer && matches!(mode, PayloadMode::ChunksTrailer | PayloadMode::UnsignedTrailer) {
                        ask.trailer = Some(("x-amz-checksum-crc32".to_owned(), crc32(&body)));
                    }
                    let answer = server.send(&ask).await;
                    assert_eq!(answer.status, 200, "{place:?} {mode:?} {with_length} {trailer}: {answer:?}");
                    let back = server.get("k").await;
                    assert!(back.body == body, "{place:?} {mode:?} {with_length} {trailer}");
                    assert_eq!(back.header("content-encoding"), None);
                    assert_eq!(server.send(&server.ask("DELETE", "/bkt/k")).await.status, 204);
                }
            }
        }
    }
}

#[tokio::test]
async fn wrong_digests_are_refused() {
    let server = S3Server::new().await;
    server.put("k", "content").await;
    let put = || server.ask("PUT", "/bkt/k").body("hello");
    let md5 = "XUFAKrxLKna5cZ2REBfFkg==";
    for (name, value, code) in [
        ("content-md5", md5, ""),
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkQ==", "BadDigest"),
        ("content-md5", "XUFAKrxLKna5", "InvalidDigest"),
        ("content-md5", "", "InvalidDigest"),
        ("content-md5", "not base64 at all", "InvalidDigest"),
        ("x-amz-checksum-crc32", "NhCmhg==", ""),
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00=", ""),
        ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs", "InvalidRequest"),
        ("x-amz-checksum-crc32", "invalid", "InvalidRequest"),
        ("x-amz-checksum-crc32", "", "InvalidRequest"),
        ("x-amz-checksum-blake3", "AAAA", "InvalidRequest"),
        ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", ""),
        ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCA=", "BadDigest"),
    ] {
        let answer = server.send(&put().header(name, value)).await;
        assert_eq!(answer.code(), code, "{name}: {value}");
        if !code.is_empty() {
            assert_eq!(server.get("k").await.header("etag"), Some("\"9a0364b9e99bb480dd25e1f0284c8555\""));
        }
        server.put("k", "content").await;
    }
}

#[tokio::test]
async fn trailers_are_verified() {
    let server = S3Server::new().await;
    for mode in [PayloadMode::ChunksTrailer, PayloadMode::UnsignedTrailer] {
        let send = async |announced: &str, sent: Option<&str>| {
            let mut ask = server.ask("PUT", "/bkt/k").body("hello").how(Place::Header, mode, Defect::None);
            ask.trailer = sent.map(|value| (announced.to_owned(), value.to_owned()));
            server.send(&ask).await.code().to_owned()
        };
        assert_eq!(send("x-amz-checksum-crc32", Some("NhCmhg==")).await, "");
        assert_eq!(send("x-amz-checksum-crc32", Some("NhCmhw==")).await, "BadDigest");
        assert_eq!(send("x-amz-checksum-crc32", Some("short")).await, "InvalidRequest");
        assert_eq!(send("x-amz-checksum-sha512", Some("NhCmhw==")).await, "InvalidRequest");
        assert_eq!(send("x-amz-checksum-xxhash3", Some("lVXoVVxi3P0=")).await, "");
        assert_eq!(send("x-amz-checksum-xxhash3", Some("lVXoVVxi3P1=")).await, "InvalidRequest");
        assert_eq!(send("x-amz-checksum-xxhash64", Some("lVXoVVxi3P0=")).await, "BadDigest");
        assert_eq!(send("x-amz-meta-a", Some("b")).await, "InvalidRequest");
        assert_eq!(send("", None).await, "");
        let announced = server.ask("PUT", "/bkt/k").body("hello").header("x-amz-trailer", "x-amz-checksum-crc32");
        let answer = server.send(&announced.how(Place::Header, mode, Defect::None)).await;
        assert_eq!(answer.code(), "MalformedTrailerError");
    }
}

#[tokio::test]
async fn decoded_lengths_are_verified() {
    let server = S3Server::new().await;
    for mode in [PayloadMode::Chunks, PayloadMode::ChunksTrailer, PayloadMode::UnsignedTrailer] {
        let ask = server.ask("PUT", "/bkt/k").body("hello").how(Place::Query, mode, Defect::None);
        let (head, body) = ask.head_and_body();
        let text = String::from_utf8(body).unwrap();
        let answer = server.send_raw(&[head.as_slice(), text.as_bytes()].concat()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // Sizes that go past the length, or end before it. The head, signed, stays the same.
        let longer = text.replacen("5", "6", 1);
        let answer = server.send_raw(&[head.as_slice(), longer.as_bytes()].concat()).await;
        assert_eq!(answer.code(), "IncompleteBody", "{mode:?} {answer:?}");
    }
    let get = server.get("k").await;
    assert_eq!(get.body, b"hello");
}

#[tokio::test]
async fn framing_that_is_not_declared_is_refused() {
    let server = S3Server::new().await;
    let framed = server.ask("PUT", "/bkt/k").body("5\r\nhello\r\n0\r\n\r\n").header("content-encoding", "aws-chunked");
    for mode in [PayloadMode::Unsigned, PayloadMode::Signed] {
        let ask = framed.clone().header("x-amz-decoded-content-length", "5").how(Place::Header, mode, Defect::None);
        assert_eq!(server.send(&ask).await.code(), "InvalidRequest");
    }
    assert_eq!(server.get("k").await.status, 404);
}

#[tokio::test]
async fn hostile_documents_are_refused() {
    let server = S3Server::new().await;
    let send = async |document: &str| {
        let ask = server.ask("POST", "/bkt?delete").header("x-amz-checksum-crc32", &crc32(document.as_bytes()));
        server.send(&ask.body(document)).await
    };
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=''")).collect();
    for document in [
        "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><Delete><Object><Key>&e;</Key></Object></Delete>"
            .to_owned(),
        "<Delete>".repeat(10_000),
        format!("<Delete{attributes}><Object><Key>k</Key></Object></Delete>"),
        "<Delete><Object><Key>k</Key></Object>".to_owned(),
        String::new(),
        "\u{0}".to_owned(),
    ] {
        let answer = send(&document).await;
        assert!(matches!(answer.code(), "MalformedXML" | "MissingRequestBodyError"), "{answer:?}");
    }
    let answer = send(&" ".repeat(9 << 20)).await;
    assert_eq!(answer.code(), "MaxMessageLengthExceeded");
}

#[tokio::test]
async fn only_the_last_chunk_may_be_small() {
    let server = S3Server::new().await;
    for mode in [PayloadMode::Chunks, PayloadMode::ChunksTrailer, PayloadMode::UnsignedTrailer] {
        let small = vec![b'x'; 20];
        let mut ask = server.ask("PUT", "/bkt/k").body(&small).how(Place::Header, mode, Defect::None);
        ask.chunk_bytes = Some(10);
        let answer = server.send(&ask).await;
        assert_eq!((answer.status, answer.code()), (403, "InvalidChunkSizeError"), "{mode:?} {answer:?}");
        let (chunk, bytes) =
            (answer.between("<Chunk>", "</Chunk>"), answer.between("<BadChunkSize>", "</BadChunkSize>"));
        assert_eq!((chunk, bytes), ("2", "10"));
        let mut ask = server.ask("PUT", "/bkt/k").body(vec![b'x'; 8193]).how(Place::Header, mode, Defect::None);
        ask.chunk_bytes = Some(8192);
        assert_eq!(server.send(&ask).await.status, 200, "{mode:?}");
        assert_eq!(server.send(&server.ask("DELETE", "/bkt/k")).await.status, 204);
    }
}

#[tokio::test]
async fn a_body_over_5_gib_is_refused_before_it_is_taken() {
    let server = S3Server::new().await;
    let answer = server.send(&server.ask("POST", "/bkt/k?uploads")).await;
    let part = format!("/bkt/k?partNumber=1&uploadId={}", answer.between("<UploadId>", "</UploadId>"));
    for target in ["/bkt/k", &part] {
        for place in [Place::Header, Place::Query] {
            let ask = server.ask("PUT", target).header("expect", "100-continue");
            let (head, _) = ask.how(place, PayloadMode::Unsigned, Defect::None).head_and_body();
            let head = String::from_utf8(head).unwrap();
            let with = |bytes: u64| head.replacen("content-length: 0", &format!("content-length: {bytes}"), 1);
            let answer = server.send_raw(with((5 << 30) + 1).as_bytes()).await;
            assert_eq!((answer.status, answer.code()), (400, "EntityTooLarge"), "{answer:?}");
            assert!(!answer.continued);
            assert_eq!(answer.between("<MaxSizeAllowed>", "<"), "5368709120");
            let mut connection = wire::open(server.listener.address, with(5 << 30).as_bytes()).await;
            let mut head = [0; 12];
            tokio::io::AsyncReadExt::read_exact(&mut connection, &mut head).await.unwrap();
            assert_eq!(&head, b"HTTP/1.1 100", "5 GiB are welcome");
        }
    }
}

/// Checksums of `hello`.
const SUMS: [(&str, &str); 10] = [
    ("crc32", "NhCmhg=="),
    ("crc32c", "mnG7TA=="),
    ("crc64nvme", "M3eFcAZSQlc="),
    ("md5", "XUFAKrxLKna5cZ2REBfFkg=="),
    ("sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
    ("sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
    ("sha512", "m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw=="),
    ("xxhash64", "JseCfYifbaM="),
    ("xxhash3", "lVXoVVxi3P0="),
    ("xxhash128", "tenBrQcbPn/Hec+qXlI4GA=="),
];

/// The checksum of `hello` of an algorithm, named in lower case.
pub(super) fn sum_of(algorithm: &str) -> &'static str {
    SUMS.iter().find(|(name, _)| *name == algorithm).unwrap().1
}

#[tokio::test]
async fn a_checksum_of_any_algorithm_is_verified_and_shown() {
    let server = S3Server::new().await;
    for (algorithm, sum) in SUMS {
        let (header, name) = (format!("x-amz-checksum-{algorithm}"), algorithm.to_uppercase());
        let put = |body: &str| server.ask("PUT", "/bkt/k").body(body).header(&header, sum);
        let wrong = server.send(&put("hallo")).await;
        assert_eq!((wrong.status, wrong.code()), (400, "BadDigest"), "{algorithm}: {wrong:?}");
        let message = format!("The {name} you specified did not match the calculated checksum.");
        assert_eq!(wrong.between("<Message>", "</Message>"), message);
        assert_eq!(server.get("k").await.status, 404, "{algorithm}");
        let right = server.send(&put("hello").header("x-amz-sdk-checksum-algorithm", &name)).await;
        assert_eq!((right.status, right.header(&header)), (200, Some(sum)), "{algorithm}: {right:?}");
        let shown = server.send(&server.ask("HEAD", "/bkt/k").header("x-amz-checksum-mode", "ENABLED")).await;
        assert_eq!(shown.header(&header), Some(sum));
        let attributes = server.ask("GET", "/bkt/k?attributes").header("x-amz-object-attributes", "Checksum");
        let shown = server.send(&attributes).await;
        assert_eq!(shown.between(&format!("<Checksum{name}>"), "<"), sum, "{}", shown.text());
        let copy = server.ask("PUT", "/bkt/copy").header("x-amz-copy-source", "/bkt/k");
        let copied = server.send(&copy).await;
        assert_eq!(copied.between(&format!("<Checksum{name}>"), "<"), sum, "{}", copied.text());
        let asked = server.send(&copy.header("x-amz-checksum-algorithm", "MD5")).await;
        assert_eq!(asked.between("<ChecksumMD5>", "<"), "XUFAKrxLKna5cZ2REBfFkg==", "{}", asked.text());
        assert_eq!(server.send(&server.ask("DELETE", "/bkt/k")).await.status, 204);
    }
}

#[tokio::test]
async fn the_algorithm_that_an_sdk_names_is_that_of_the_checksum() {
    let server = S3Server::new().await;
    let put =
        |algorithm: &str| server.ask("PUT", "/bkt/k").body("hello").header("x-amz-sdk-checksum-algorithm", algorithm);
    let crc = |ask: Ask| ask.header("x-amz-checksum-crc32c", "mnG7TA==");
    let mut trailing = put("SHA1").how(Place::Header, PayloadMode::UnsignedTrailer, Defect::None);
    trailing.trailer = Some(("x-amz-checksum-crc64nvme".to_owned(), "M3eFcAZSQlc=".to_owned()));
    for (ask, message) in [
        (crc(put("CRC32")), "Value for x-amz-sdk-checksum-algorithm header is invalid."),
        (trailing, "Value for x-amz-sdk-checksum-algorithm header is invalid."),
        (
            put("SHA512"),
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were \
             found.",
        ),
        (
            crc(put("BLAKE3")),
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, \
             CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64]",
        ),
    ] {
        let answer = server.send(&ask).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidRequest"), "{answer:?}");
        assert_eq!(answer.between("<Message>", "</Message>"), message);
    }
    assert_eq!(server.get("k").await.status, 404);
    // A presigner names it before there is a body.
    let link = server.ask("PUT", "/bkt/k").body("hello").hoisted("x-amz-sdk-checksum-algorithm", "XXHASH64");
    let answer = server.send(&link.how(Place::Query, PayloadMode::Unsigned, Defect::None)).await;
    assert_eq!((answer.status, answer.header("x-amz-checksum-xxhash64")), (200, Some("JseCfYifbaM=")), "{answer:?}");
}

#[tokio::test]
async fn a_trailer_that_cannot_come_is_not_announced() {
    let server = S3Server::new().await;
    for mode in [PayloadMode::Unsigned, PayloadMode::Signed, PayloadMode::Chunks] {
        let ask = server.ask("PUT", "/bkt/k").body("hello").header("x-amz-trailer", "x-amz-checksum-crc32");
        let answer = server.send(&ask.how(Place::Header, mode, Defect::None)).await;
        assert_eq!((answer.status, answer.code()), (400, "MalformedTrailerError"), "{mode:?} {answer:?}");
    }
    assert_eq!(server.get("k").await.status, 404);
}
