//! What documents may take: bounds of their own kind, and memory that is shared.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::bodies::crc32;
use super::wire::{open, read};
use super::*;

#[tokio::test]
async fn a_document_is_as_long_as_its_kind_may_be() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    let lock = server.ask("PUT", "/locked").header("x-amz-bucket-object-lock-enabled", "true");
    assert_eq!(server.send(&lock).await.status, 200);
    let space = " ".repeat(100_000);
    for (target, root) in [
        ("/locked/k?retention", "Retention"),
        ("/locked/k?legal-hold", "LegalHold"),
        ("/bkt/k?tagging", "Tagging"),
        ("/bkt?versioning", "VersioningConfiguration"),
        ("/locked?object-lock", "ObjectLockConfiguration"),
        ("/bkt2", "CreateBucketConfiguration"),
    ] {
        let document = format!("<{root}>{space}</{root}>");
        let sum = crc32(document.as_bytes());
        let ask = server.ask("PUT", target).header("x-amz-checksum-crc32", &sum).body(&document);
        // It is refused by its length, before any of it has come.
        let (head, _) = ask.head_and_body();
        let mut connection = open(server.listener.address, &head).await;
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.code()), (400, "MaxMessageLengthExceeded"), "{target}: {answer:?}");
    }
    let thousand: String =
        (0..1000).map(|number| format!("<Object><Key>{number}{}</Key></Object>", "k".repeat(1000))).collect();
    let document = format!("<Delete>{thousand}</Delete>");
    let ask = server.ask("POST", "/bkt?delete").header("x-amz-checksum-crc32", &crc32(document.as_bytes()));
    assert_eq!(server.send(&ask.body(&document)).await.status, 200, "a thousand long keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_documents_share_their_memory() {
    let server = S3Server::new().await;
    let world = &server.world;
    world.bucket("theirs", "other").await;
    let document = vec![b'<'; 8_000_000];
    let ask = server.ask("POST", "/bkt?delete").header("x-amz-checksum-crc32", "AAAAAA==").body(&document);
    let (head, body) = ask.head_and_body();
    let mut half_sent = Vec::new();
    for _ in 0..30 {
        let mut connection = open(server.listener.address, &head).await;
        // A client that is told to wait does not read on: that must not stop the test.
        let sent = connection.write_all(&body[..1_000_000]);
        let _ = tokio::time::timeout(Duration::from_millis(300), sent).await;
        half_sent.push(connection);
    }
    let mut theirs = server.ask("POST", "/theirs?delete");
    theirs.keys = world.other.clone();
    let document = "<Delete><Object><Key>k</Key></Object></Delete>";
    let theirs = theirs.header("x-amz-checksum-crc32", &crc32(document.as_bytes())).body(document);
    let began = tokio::time::Instant::now();
    let answer = server.send(&theirs).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    // They do not have room all at once: some are told so.
    let mut told = 0;
    while told == 0 {
        assert!(began.elapsed() < Duration::from_secs(15), "30 documents of 8 MB were received at once");
        for connection in &mut half_sent {
            let readable = tokio::time::timeout(Duration::from_millis(20), connection.readable()).await;
            if matches!(readable, Ok(Ok(()))) {
                let answer = read(connection).await;
                assert_eq!((answer.status, answer.code()), (503, "SlowDown"), "{answer:?}");
                told += 1;
                break;
            }
        }
    }
}
