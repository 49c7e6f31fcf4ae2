//! HTTP framing: what no well-meaning client sends, and clients that stop.

use super::client::{Defect, Place};
use super::*;
use client::{is_closed, open, read, write};
use tokio::io::AsyncWriteExt as _;

fn quick() -> (ServerSettings, GatewaySettings) {
    let server = ServerSettings { head_timeout_ms: 300, ..ServerSettings::default() };
    (server, GatewaySettings { body_stall_ms: 300, ..GatewaySettings::default() })
}

#[tokio::test]
async fn two_framings_are_refused() {
    let house = House::new().await;
    house.put("k", "content").await;
    let wire = String::from_utf8(house.ask("PUT", "/bkt/k").body("hello").wire()).unwrap();
    for extra in ["Transfer-Encoding: chunked\r\n", "transfer-encoding:identity, chunked\r\n"] {
        let both = wire.replacen("content-length", &format!("{extra}content-length"), 1);
        let mut connection = open(house.address, both.as_bytes()).await;
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.code()), (400, "BadRequest"), "{answer:?}");
        assert!(is_closed(&mut connection).await);
    }
    let twice = wire.replacen("content-length: 5", "content-length: 5\r\ncontent-length: 6", 1);
    assert_eq!(house.send_raw(twice.as_bytes()).await.status, 400);
    let negative = wire.replacen("content-length: 5", "content-length: -5", 1);
    assert_eq!(house.send_raw(negative.as_bytes()).await.status, 400);
    assert_eq!(house.get("k").await.body, b"content");
}

#[tokio::test]
async fn a_transfer_encoded_request_is_the_last_of_its_connection() {
    let house = House::new().await;
    let mut ask = house.ask("PUT", "/bkt/k").body("hello");
    ask.with_length = false;
    let smuggled = house.ask("PUT", "/bkt/smuggled").body("x").wire();
    let mut connection = open(house.address, &[ask.wire(), smuggled].concat()).await;
    assert_eq!(read(&mut connection).await.status, 200);
    assert!(is_closed(&mut connection).await);
    assert_eq!(house.get("smuggled").await.status, 404);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let house = House::new().await;
    let asks = [
        house.ask("PUT", "/bkt/k").body("hello").wire(),
        house.ask("GET", "/bkt/k").wire(),
        house.ask("GET", "/bkt/none").wire(),
        house.ask("GET", "/bkt/k").wire(),
    ];
    let mut connection = open(house.address, &asks.concat()).await;
    assert_eq!(read(&mut connection).await.status, 200);
    assert_eq!(read(&mut connection).await.body, b"hello");
    assert_eq!(read(&mut connection).await.status, 404);
    assert_eq!(read(&mut connection).await.body, b"hello");
}

#[tokio::test]
async fn heads_are_bounded() {
    let house = House::new().await;
    let long = house.ask("GET", "/bkt").header("x-amz-meta-long", &"x".repeat(100_000));
    assert_eq!(house.send(&long).await.status, 431);
    let mut many = house.ask("GET", "/bkt");
    many.headers.extend((0..300).map(|number| (format!("x-h-{number}"), "v".to_owned())));
    assert_eq!(house.send(&many).await.status, 431);
    assert!(matches!(house.send_raw(b"\0\0\0 / HTTP/1.1\r\n\r\n").await.status, 400));
    let target = format!("/bkt?prefix={}", "x".repeat(70_000));
    assert!(matches!(house.send(&house.ask("GET", &target)).await.status, 414 | 431));
}

#[tokio::test]
async fn slow_heads_are_given_up() {
    let (server, settings) = quick();
    let house = House::with(server, settings).await;
    let mut connection = open(house.address, b"GET / HTTP/1.1\r\nHost: lo").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    write(&mut connection, b"calhost\r\n\r\n").await;
    assert!(is_closed(&mut connection).await);
}

#[tokio::test]
async fn a_client_that_stops_sending_is_told() {
    let (server, settings) = quick();
    let house = House::with(server, settings).await;
    for (place, mode) in [(Place::Header, client::Mode::Signed), (Place::Query, client::Mode::Chunks)] {
        let wire = house.ask("PUT", "/bkt/k").body("hello").how(place, mode, Defect::None).wire();
        let mut connection = open(house.address, &wire[..wire.len() - 3]).await;
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.code()), (400, "RequestTimeout"), "{answer:?}");
        assert!(is_closed(&mut connection).await);
    }
    assert_eq!(house.get("k").await.status, 404);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off() {
    use tokio::io::AsyncReadExt as _;
    let server = ServerSettings { send_stall_ms: 300, ..ServerSettings::default() };
    let house = House::with(server, GatewaySettings::default()).await;
    let size = 32 << 20;
    assert_eq!(house.send(&house.ask("PUT", "/bkt/k").body(vec![b'x'; size])).await.status, 200);
    let mut connection = open(house.address, &house.ask("GET", "/bkt/k").wire()).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut received = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(5), connection.read_to_end(&mut received)).await;
    assert!(end.is_ok(), "the connection is still open");
    assert!(received.len() < size, "all of it came");
}

#[tokio::test]
async fn a_body_that_ends_early_commits_nothing() {
    let house = House::new().await;
    for mode in [client::Mode::Unsigned, client::Mode::Signed, client::Mode::Chunks, client::Mode::UnsignedTrailer] {
        let wire =
            house.ask("PUT", "/bkt/k").body("hello".repeat(10_000)).how(Place::Header, mode, Defect::None).wire();
        let mut connection = open(house.address, &wire[..wire.len() - 100]).await;
        connection.shutdown().await.unwrap();
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.code()), (400, "IncompleteBody"), "{mode:?} {answer:?}");
    }
    assert_eq!(house.get("k").await.status, 404);
}

#[tokio::test]
async fn a_body_is_asked_for_only_once_it_is_welcome() {
    let house = House::new().await;
    let ask = house.ask("PUT", "/bkt/k").body("hello").header("expect", "100-continue");
    let (head, body) = ask.head_and_body();
    let mut connection = open(house.address, &head).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    write(&mut connection, &body).await;
    let answer = read(&mut connection).await;
    assert_eq!((answer.status, answer.continued), (200, true), "{answer:?}");

    let mut stranger = ask.clone();
    stranger.keys = house.stranger.clone();
    for refused in [ask.clone().how(Place::Header, client::Mode::Signed, Defect::WrongSecret), stranger] {
        let mut connection = open(house.address, &refused.head_and_body().0).await;
        let answer = read(&mut connection).await;
        assert_eq!((answer.status, answer.continued), (403, false), "{answer:?}");
        assert!(is_closed(&mut connection).await);
    }
}

#[tokio::test]
async fn a_connection_ends_with_an_answer_that_came_without_asking_for_the_body() {
    let house = House::new().await;
    let ask = house.ask("PUT", "/bkt/k").body("").header("expect", "100-continue");
    let mut connection = open(house.address, &ask.wire()).await;
    let answer = read(&mut connection).await;
    assert_eq!((answer.status, answer.continued), (200, false), "{answer:?}");
    assert!(is_closed(&mut connection).await, "botocore would misread the next answer");
}

#[tokio::test]
async fn a_refused_body_does_not_cost_the_answer() {
    let house = House::new().await;
    let refused = |bytes: usize| {
        let ask = house.ask("PUT", "/bkt/k").body(vec![b'x'; bytes]);
        ask.how(Place::Header, client::Mode::Unsigned, Defect::WrongSecret).wire()
    };
    // What is small is read to its end and the connection goes on.
    let mut connection = open(house.address, &[refused(500_000), house.ask("GET", "/bkt").wire()].concat()).await;
    assert_eq!(read(&mut connection).await.status, 403);
    assert_eq!(read(&mut connection).await.status, 200);
    // What is large is not.
    let mut connection = open(house.address, &[]).await;
    let wire = refused(8 << 20);
    let (mut reading, mut writing) = connection.split();
    let answer = async {
        use tokio::io::AsyncReadExt as _;
        let mut head = [0; 12];
        reading.read_exact(&mut head).await.map(|_| head)
    };
    let (answer, _) = tokio::join!(answer, writing.write_all(&wire));
    assert_eq!(&answer.unwrap(), b"HTTP/1.1 403");
}

#[tokio::test]
async fn buckets_are_named_by_host_too() {
    let (server, mut settings) = quick();
    settings.base_domains = vec!["host".to_owned()];
    let house = House::with(server, settings).await;
    house.put("k", "hello").await;
    let mut ask = house.ask("GET", "/k");
    ask.host = "bkt.host".to_owned();
    assert_eq!(house.send(&ask).await.body, b"hello");
    // The host is signed: changed on the way, it is another request.
    let wire = String::from_utf8(ask.wire()).unwrap().replacen("bkt.host", "c.host", 1);
    assert_eq!(house.send_raw(wire.as_bytes()).await.code(), "SignatureDoesNotMatch");
}
