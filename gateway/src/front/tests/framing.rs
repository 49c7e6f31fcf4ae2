//! HTTP framing: what no well-meaning client sends, and clients that stop.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::wire::{is_closed, open, read, write};
use super::*;

async fn quick() -> ToyServer {
    let settings = ServerSettings { head_timeout_ms: 300, ..ServerSettings::default() };
    ToyServer::with(settings, FrontSettings { body_stall_ms: 300, ..FrontSettings::default() }, None).await
}

#[tokio::test]
async fn two_framings_are_refused() {
    let server = ToyServer::new().await;
    server.put("k", "content").await;
    let wire = String::from_utf8(server.ask("PUT", "/bkt/k").body("hello").wire()).unwrap();
    for extra in ["Transfer-Encoding: chunked\r\n", "transfer-encoding:identity, chunked\r\n"] {
        let both = wire.replacen("content-length", &format!("{extra}content-length"), 1);
        let mut connection = open(server.listener.address, both.as_bytes()).await;
        let answer = read(&mut connection).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text().contains("framed-twice") && answer.header("x-toy-id").is_some(), "{answer:?}");
        assert!(is_closed(&mut connection).await);
    }
    let twice = wire.replacen("content-length: 5", "content-length: 5\r\ncontent-length: 6", 1);
    assert_eq!(server.send_raw(twice.as_bytes()).await.status, 400);
    let negative = wire.replacen("content-length: 5", "content-length: -5", 1);
    assert_eq!(server.send_raw(negative.as_bytes()).await.status, 400);
    assert_eq!(server.get("k").await.body, b"content");
}

/// Source: an empty number after 49 spaces ended the guard's look at the connection.
#[tokio::test]
async fn no_padding_and_no_malformed_length_hides_two_framings() {
    let server = ToyServer::new().await;
    server.put("k", "content").await;
    let mut ask = server.ask("PUT", "/bkt/k").body("hello");
    ask.with_length = false;
    let wire = String::from_utf8(ask.wire()).unwrap();
    for padding in ["", " ", "\t", " \t ", &" ".repeat(48), &" ".repeat(49), &" ".repeat(60), &" ".repeat(2000)] {
        for value in ["5", "0", "+5", "-5", "0x5", "5 5", "5, 5", "", "99999999999999999999"] {
            let line = format!("Content-Length:{padding}{value}{padding}\r\n");
            for both in [
                wire.replacen("transfer-encoding", &format!("{line}transfer-encoding"), 1),
                wire.replacen("chunked\r\n", &format!("chunked\r\n{line}"), 1),
                wire.replacen("chunked\r\n", &format!("chunked\r\n{line}{line}"), 1),
            ] {
                let mut connection = open(server.listener.address, both.as_bytes()).await;
                let answer = read(&mut connection).await;
                // A length that is none is refused before that, in no face's words.
                let is_worded = !["5", "0"].contains(&value) || answer.text().contains("framed-twice");
                assert!(answer.status == 400 && is_worded, "{both:?}: {answer:?}");
                assert!(is_closed(&mut connection).await, "{both:?}");
            }
        }
    }
    assert_eq!(server.get("k").await.body, b"content");
}

#[tokio::test]
async fn a_transfer_encoded_request_is_the_last_of_its_connection() {
    let server = ToyServer::new().await;
    let mut ask = server.ask("PUT", "/bkt/k").body("hello");
    ask.with_length = false;
    let smuggled = server.ask("PUT", "/bkt/smuggled").body("x").wire();
    let mut connection = open(server.listener.address, &[ask.wire(), smuggled].concat()).await;
    assert_eq!(read(&mut connection).await.status, 200);
    assert!(is_closed(&mut connection).await);
    assert_eq!(server.get("smuggled").await.status, 404);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = ToyServer::new().await;
    let asks = [
        server.ask("PUT", "/bkt/k").body("hello").wire(),
        server.ask("GET", "/bkt/k").wire(),
        server.ask("GET", "/bkt/none").wire(),
        server.ask("GET", "/bkt/k").wire(),
    ];
    let mut connection = open(server.listener.address, &asks.concat()).await;
    assert_eq!(read(&mut connection).await.status, 200);
    assert_eq!(read(&mut connection).await.body, b"hello");
    assert_eq!(read(&mut connection).await.status, 404);
    assert_eq!(read(&mut connection).await.body, b"hello");
}

#[tokio::test]
async fn heads_are_bounded() {
    let server = ToyServer::new().await;
    let long = server.ask("GET", "/bkt/k").header("x-long", &"x".repeat(100_000));
    let mut many = server.ask("GET", "/bkt/k");
    many.headers.extend((0..300).map(|number| (format!("x-h-{number}"), "v".to_owned())));
    let target = format!("/bkt/k?prefix={}", "x".repeat(70_000));
    for (wire, word) in [
        (long.wire(), "too-many-headers"),
        (many.wire(), "too-many-headers"),
        (server.ask("GET", &target).wire(), "too-many-headers"),
        (b"\0\0\0 / HTTP/1.1\r\n\r\n".to_vec(), "malformed-head"),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n".to_vec(), "malformed-head"),
    ] {
        let mut connection = open(server.listener.address, &wire).await;
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.word()), (400, word), "{answer:?}");
        assert!(answer.header("date").is_some() && answer.header("x-toy-id").is_some(), "{answer:?}");
        assert!(is_closed(&mut connection).await);
    }
}

#[tokio::test]
async fn what_is_no_head_does_not_change_the_answers_before_it() {
    let server = ToyServer::new().await;
    let body = b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(100_000);
    assert_eq!(server.send(&server.ask("PUT", "/bkt/k").body(&body)).await.status, 200);
    let get = server.ask("GET", "/bkt/k").wire();
    // Behind an answer that is not flushed yet.
    let mut connection = open(server.listener.address, &[&get[..], b"\0\r\n\r\n"].concat()).await;
    assert!(read(&mut connection).await.body == body);
    assert_eq!(read(&mut connection).await.status, 400);
    assert!(is_closed(&mut connection).await);
    // Behind one that is.
    let mut connection = open(server.listener.address, &get).await;
    assert!(read(&mut connection).await.body == body);
    write(&mut connection, b"\0\r\n\r\n").await;
    let answer = read(&mut connection).await;
    assert_eq!((answer.status, answer.word()), (400, "malformed-head"), "{answer:?}");
}

#[tokio::test]
async fn slow_heads_are_given_up() {
    let server = quick().await;
    let mut connection = open(server.listener.address, b"GET / HTTP/1.1\r\nHost: lo").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    write(&mut connection, b"calhost\r\n\r\n").await;
    assert!(is_closed(&mut connection).await);
}

#[tokio::test]
async fn a_client_that_stops_sending_is_told() {
    let server = quick().await;
    let wire = server.ask("PUT", "/bkt/k").body("hello").wire();
    let mut connection = open(server.listener.address, &wire[..wire.len() - 3]).await;
    let answer = read(&mut connection).await;
    assert_eq!((answer.status, answer.word()), (400, "too-slow"), "{answer:?}");
    assert!(is_closed(&mut connection).await);
    assert_eq!(server.get("k").await.status, 404);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off() {
    let settings = ServerSettings { send_stall_ms: 300, ..ServerSettings::default() };
    let server = ToyServer::with(settings, FrontSettings::default(), None).await;
    let size = 32 << 20;
    assert_eq!(server.send(&server.ask("PUT", "/bkt/k").body(vec![b'x'; size])).await.status, 200);
    let mut connection = open(server.listener.address, &server.ask("GET", "/bkt/k").wire()).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut received = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(5), connection.read_to_end(&mut received)).await;
    assert!(end.is_ok(), "the connection is still open");
    assert!(received.len() < size, "all of it came");
}

#[tokio::test]
async fn a_body_that_ends_early_commits_nothing() {
    let server = ToyServer::new().await;
    let wire = server.ask("PUT", "/bkt/k").body("hello".repeat(10_000)).wire();
    let mut connection = open(server.listener.address, &wire[..wire.len() - 100]).await;
    connection.shutdown().await.unwrap();
    let answer = read(&mut connection).await;
    assert_eq!((answer.status, answer.word()), (400, "broken-body"), "{answer:?}");
    assert_eq!(server.get("k").await.status, 404);
}

#[tokio::test]
async fn a_body_is_asked_for_only_once_it_is_welcome() {
    let server = ToyServer::new().await;
    let ask = server.ask("PUT", "/bkt/k").body("hello").header("expect", "100-continue");
    let mut connection = open(server.listener.address, &ask.head()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    write(&mut connection, &ask.body).await;
    let answer = read(&mut connection).await;
    assert_eq!((answer.status, answer.continued), (200, true), "{answer:?}");

    for (refused, status) in [(ask.clone().with_wrong_secret(), 401), (ask.clone().keys(&server.world.other), 403)] {
        let mut connection = open(server.listener.address, &refused.head()).await;
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.continued), (status, false), "{answer:?}");
        assert!(is_closed(&mut connection).await);
    }
}

#[tokio::test]
async fn a_connection_ends_with_an_answer_that_came_without_asking_for_the_body() {
    let server = ToyServer::new().await;
    let ask = server.ask("PUT", "/bkt/k").body("").header("expect", "100-continue");
    let mut connection = open(server.listener.address, &ask.wire()).await;
    let answer = read(&mut connection).await;
    assert_eq!((answer.status, answer.continued), (200, false), "{answer:?}");
    assert!(is_closed(&mut connection).await, "botocore would misread the next answer");
}

#[tokio::test]
async fn a_refused_body_does_not_cost_the_answer() {
    let server = ToyServer::new().await;
    server.put("there", "x").await;
    let refused = |bytes: usize| server.ask("PUT", "/bkt/k").body(vec![b'x'; bytes]).with_wrong_secret().wire();
    // What is small is read to its end and the connection goes on.
    let mut connection =
        open(server.listener.address, &[refused(500_000), server.ask("GET", "/bkt/there").wire()].concat()).await;
    assert_eq!(read(&mut connection).await.status, 401);
    assert_eq!(read(&mut connection).await.status, 200);
    // What is large is not.
    let mut connection = open(server.listener.address, &[]).await;
    let wire = refused(8 << 20);
    let (mut reading, mut writing) = connection.split();
    let answer = async {
        let mut head = [0; 12];
        reading.read_exact(&mut head).await.map(|_| head)
    };
    let (answer, _) = tokio::join!(answer, writing.write_all(&wire));
    assert_eq!(&answer.unwrap(), b"HTTP/1.1 401");
    // Nor does it keep one that sends all of it before it reads anything from being told.
    let mut connection = open(server.listener.address, &[]).await;
    connection.write_all(&wire).await.unwrap();
    assert_eq!(read(&mut connection).await.status, 401);
}
