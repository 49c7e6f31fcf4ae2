//! Clients that stop in the middle of a body, however it is framed; buckets named by the host.

use super::client::{Defect, PayloadMode, Place};
use super::*;
use crate::front::tests::wire::{is_closed, open, read};
use tokio::io::AsyncWriteExt as _;

async fn quick(face: S3) -> S3Server {
    let server = S3Server::without_bucket(
        ServerSettings::default(),
        FrontSettings { body_stall_ms: 300, ..FrontSettings::default() },
        face,
    )
    .await;
    assert_eq!(server.send(&server.ask("PUT", "/bkt")).await.status, 200);
    server
}

#[tokio::test]
async fn a_client_that_stops_sending_is_told() {
    let server = quick(S3::default()).await;
    for (place, mode) in [(Place::Header, PayloadMode::Signed), (Place::Query, PayloadMode::Chunks)] {
        let wire = server.ask("PUT", "/bkt/k").body("hello").how(place, mode, Defect::None).wire();
        let mut connection = open(server.listener.address, &wire[..wire.len() - 3]).await;
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.code()), (400, "RequestTimeout"), "{answer:?}");
        assert!(is_closed(&mut connection).await);
    }
    assert_eq!(server.get("k").await.status, 404);
}

#[tokio::test]
async fn two_framings_are_refused_as_s3_refuses() {
    let server = S3Server::new().await;
    let wire = String::from_utf8(server.ask("PUT", "/bkt/k").body("hello").wire()).unwrap();
    let both = wire.replacen("content-length", "transfer-encoding: chunked\r\ncontent-length", 1);
    let mut connection = open(server.listener.address, both.as_bytes()).await;
    let answer = read(&mut connection).await;
    assert_eq!((answer.status, answer.code()), (400, "BadRequest"), "{answer:?}");
    let id = answer.header("x-amz-request-id").unwrap();
    assert_eq!(answer.between("<RequestId>", "</RequestId>"), id);
    assert_eq!(answer.between("<Resource>", "</Resource>"), "/bkt/k");
    assert!(is_closed(&mut connection).await);
}

#[tokio::test]
async fn a_body_that_ends_early_commits_nothing() {
    let server = S3Server::new().await;
    for mode in [PayloadMode::Unsigned, PayloadMode::Signed, PayloadMode::Chunks, PayloadMode::UnsignedTrailer] {
        let wire =
            server.ask("PUT", "/bkt/k").body("hello".repeat(10_000)).how(Place::Header, mode, Defect::None).wire();
        let mut connection = open(server.listener.address, &wire[..wire.len() - 100]).await;
        connection.shutdown().await.unwrap();
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.code()), (400, "IncompleteBody"), "{mode:?} {answer:?}");
    }
    assert_eq!(server.get("k").await.status, 404);
}

#[tokio::test]
async fn buckets_are_named_by_host_too() {
    let server = quick(S3 { base_domains: vec!["host".to_owned()], ..S3::default() }).await;
    server.put("k", "hello").await;
    let mut ask = server.ask("GET", "/k");
    ask.host = "bkt.host".to_owned();
    assert_eq!(server.send(&ask).await.body, b"hello");
    // The host is signed: changed on the way, it is another request.
    let wire = String::from_utf8(ask.wire()).unwrap().replacen("bkt.host", "c.host", 1);
    assert_eq!(server.send_raw(wire.as_bytes()).await.code(), "SignatureDoesNotMatch");
}
