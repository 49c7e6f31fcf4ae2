//! Clients that take what others need: slow writers, receivers that do not receive, requests that never end. Real sockets.

use std::time::Duration;

use couronne_client::Settings as ClientSettings;
use http_body_util::BodyExt as _;
use hyper::client::conn::http2 as client_http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::encrypted::{CERT, KEY, connect, request};
use super::wire::{is_closed, open, read, write};
use super::*;
use crate::engine::Settings;
use crate::front::server::tls_config;

const MIB: usize = 1 << 20;

/// Budgets so small that a few requests fill them: of writing, one chunk and its parity have room six times.
fn tight() -> Settings {
    let client = ClientSettings {
        write_buffer_bytes_max: 36 << 20,
        read_buffer_bytes_max: 24 << 20,
        buffer_cut_ms: 100,
        ..ClientSettings::default()
    };
    Settings { client, ..Settings::default() }
}

async fn server(settings: ServerSettings, front: FrontSettings, encrypted: bool) -> ToyServer {
    let world = World::with(tight()).await;
    world.bucket("bkt", "acme").await;
    world.bucket("theirs", "other").await;
    let tls = encrypted.then(|| tls_config(CERT, KEY).unwrap());
    let listener = listen(world.gateway(toy::Toy, front), settings, tls).await;
    ToyServer { world, listener }
}

/// A PUT of which only so much is sent.
async fn half_sent(server: &ToyServer, note: &str, sent: usize) -> TcpStream {
    let mut ask = server.ask("PUT", &format!("/bkt/{note}")).header("content-length", "1000000000");
    ask.with_length = true;
    let head = String::from_utf8(ask.head()).unwrap().replace("content-length: 0\r\n", "");
    let mut connection = open(server.listener.address, head.as_bytes()).await;
    write(&mut connection, &vec![b'x'; sent]).await;
    connection
}

/// Another account's PUT and GET, and how long both took.
async fn victim(server: &ToyServer, bytes: usize) -> Duration {
    let began = Instant::now();
    let body = vec![b'y'; bytes];
    let put = server.ask("PUT", "/theirs/k").keys(&server.world.other).body(&body);
    let answer = server.send(&put).await;
    assert_eq!(answer.status, 200, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    let mut connection =
        open(server.listener.address, &server.ask("GET", "/theirs/k").keys(&server.world.other).wire()).await;
    let (mut received, mut buffer) = (0, vec![0; 256 << 10]);
    while received < bytes {
        let read = connection.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the answer broke off after {received} bytes");
        received += read;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_writers_do_not_stop_the_writes_of_others() {
    let server = server(ServerSettings::default(), FrontSettings::default(), false).await;
    let mut silent = Vec::new();
    for number in 0..60 {
        silent.push(half_sent(&server, &format!("slow{number}"), 1).await);
    }
    // What has sent a byte holds a byte: nobody has to give way.
    let took = victim(&server, 5 * MIB).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    for connection in &mut silent {
        let more = tokio::time::timeout(Duration::from_millis(2), connection.read_u8()).await;
        assert!(more.is_err(), "one was cut, and nothing was short");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_filled_writers_give_way_to_others_and_are_told_so() {
    let server = server(ServerSettings::default(), FrontSettings::default(), false).await;
    let mut silent = Vec::new();
    for number in 0..14 {
        silent.push(half_sent(&server, &format!("slow{number}"), 3 * MIB).await);
    }
    let took = victim(&server, 12 * MIB).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    let mut told = 0;
    for connection in &mut silent {
        if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(50), connection.readable()).await {
            let answer = read(connection).await;
            assert_eq!((answer.status, answer.word()), (503, "slow-down"), "{answer:?}");
            assert!(is_closed(connection).await);
            told += 1;
        }
    }
    assert!((1..14).contains(&told), "{told} of 14 gave way");
    // So do those of the same bucket, for one of theirs that gets on.
    let own = server.send(&server.ask("PUT", "/bkt/own").body(vec![b'z'; 12 * MIB])).await;
    assert_eq!(own.status, 200, "{own:?}");
}

/// A link is known to many who stop in the middle of a chunk and begin anew whenever they are cut: its owner, whose key is
/// another caller of the same account and bucket, writes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_link_keeps_its_owner_waiting_for_a_bounded_time() {
    let server = Arc::new(server(ServerSettings::default(), FrontSettings::default(), false).await);
    let ask = server.ask("PUT", "/bkt/leaked").header("content-length", "1000000000").header("x-toy-link", "leaked");
    let head = String::from_utf8(ask.head()).unwrap().replace("content-length: 0\r\n", "");
    let attackers: Vec<_> = (0..40)
        .map(|_| {
            let (head, address) = (head.clone(), server.listener.address);
            tokio::spawn(async move {
                loop {
                    let mut connection = open(address, head.as_bytes()).await;
                    write(&mut connection, &vec![b'x'; 3 * MIB]).await;
                    let _cut = connection.read_u8().await;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for number in 0..4 {
        let own = server.ask("PUT", &format!("/bkt/own{number}")).body(vec![b'z'; 5 * MIB]);
        let answer = server.send(&own).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    attackers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A GET whose answer is not read.
async fn unread(server: &ToyServer) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut connection = socket.connect(server.listener.address).await.unwrap();
    write(&mut connection, &server.ask("GET", "/bkt/big").wire()).await;
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_do_not_receive_do_not_stop_the_reads_of_others() {
    let server = server(ServerSettings::default(), FrontSettings::default(), false).await;
    server.put("big", &"x".repeat(24 * MIB)).await;
    let mut unreading = Vec::new();
    for _ in 0..60 {
        unreading.push(unread(&server).await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let took = victim(&server, 5 * MIB).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_do_not_receive_do_not_stop_the_reads_of_others() {
    let server = server(ServerSettings::default(), FrontSettings::default(), true).await;
    let big = server.ask("PUT", "/bkt/big").body(vec![b'x'; 24 * MIB]);
    let (mut sender, _connection) = h2(&server).await;
    assert_eq!(sender.send_request(request(&big)).await.unwrap().status(), 200);
    let (mut unread, mut connections) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (mut sender, connection) = h2(&server).await;
        for _ in 0..20 {
            unread.push(
                tokio::time::timeout(
                    Duration::from_secs(20),
                    sender.send_request(request(&server.ask("GET", "/bkt/big"))),
                )
                .await,
            );
        }
        connections.push((sender, connection));
    }
    let put = server.ask("PUT", "/theirs/k").keys(&server.world.other).body(vec![b'y'; 5 * MIB]);
    assert_eq!(sender.send_request(request(&put)).await.unwrap().status(), 200);
    let get = server.ask("GET", "/theirs/k").keys(&server.world.other);
    let began = Instant::now();
    let answer = sender.send_request(request(&get)).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len(), 5 * MIB);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

type Sender = client_http2::SendRequest<http_body_util::Full<bytes::Bytes>>;

async fn h2(server: &ToyServer) -> (Sender, tokio::task::JoinHandle<()>) {
    let stream = connect(server.listener.address, b"h2").await;
    let mut builder = client_http2::Builder::new(TokioExecutor::new());
    // A window of a connection's own for each stream that is not read; else one would stop all.
    builder.initial_stream_window_size(64 << 10).initial_connection_window_size(64 << 20);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(async move { drop(connection.await) }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_does_not_receive_is_reset_and_its_neighbours_go_on() {
    let settings = ServerSettings { send_stall_ms: 600, head_timeout_ms: 200, ..ServerSettings::default() };
    let server = server(settings, FrontSettings::default(), true).await;
    let (mut sender, _connection) = h2(&server).await;
    let put = server.ask("PUT", "/bkt/k").body(vec![b'x'; 8 * MIB]);
    assert_eq!(sender.send_request(request(&put)).await.unwrap().status(), 200);
    let get = request(&server.ask("GET", "/bkt/k"));
    let unread = sender.send_request(get.clone()).await.unwrap();
    // The connection answers pings meanwhile, and serves others.
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let answer = sender.send_request(get.clone()).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 8 * MIB);
    }
    let page = server.world.metrics.render().unwrap();
    assert!(unread.into_body().collect().await.is_err(), "the stream is still there: {page}");
}

#[tokio::test]
async fn a_client_that_drips_is_given_up_and_a_slow_one_is_not() {
    let front = FrontSettings { bytes_per_s_min: 4000, rate_over_ms: 1000, ..FrontSettings::default() };
    let server = server(ServerSettings::default(), front, false).await;
    let wire = server.ask("PUT", "/bkt/k").body(vec![b'x'; 40_000]).wire();
    let (head, body) = wire.split_at(wire.len() - 40_000);
    let mut slow = open(server.listener.address, head).await;
    let mut dripping = open(server.listener.address, head).await;
    for piece in body.chunks(1000) {
        write(&mut slow, piece).await;
        write(&mut dripping, b"x").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(read(&mut slow).await.status, 200);
    let answer = read(&mut dripping).await;
    assert_eq!((answer.status, answer.word()), (400, "too-slow"), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_sips_is_given_up() {
    let settings = ServerSettings { bytes_per_s_min: 64 << 20, rate_over_ms: 300, ..ServerSettings::default() };
    let server = server(settings, FrontSettings::default(), false).await;
    let size = 64 * MIB;
    server.put("big", &"x".repeat(size)).await;
    let mut connection = open(server.listener.address, &server.ask("GET", "/bkt/big").wire()).await;
    let end = tokio::time::timeout(Duration::from_secs(40), async {
        let (mut received, mut sip) = (0, vec![0; 64 << 10]);
        loop {
            match connection.read(&mut sip).await {
                Ok(0) | Err(_) => return received,
                Ok(read) => received += read,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let received = end.await.expect("the connection is still open");
    assert!(received < size, "all of it came");
}

#[tokio::test]
async fn a_request_ends_after_its_time() {
    let settings = ServerSettings { request_time_max_s: 1, ..ServerSettings::default() };
    let server = server(settings, FrontSettings::default(), false).await;
    let wire = server.ask("PUT", "/bkt/k").body(vec![b'x'; 100_000]).wire();
    let (head, body) = wire.split_at(wire.len() - 100_000);
    let mut connection = open(server.listener.address, head).await;
    for piece in body.chunks(1000).take(30) {
        write(&mut connection, piece).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = read(&mut connection).await;
    assert_eq!((answer.status, answer.word()), (400, "too-slow"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_are_shared_among_accounts() {
    let settings = ServerSettings { requests_max: 8, request_cut_ms: 100, ..ServerSettings::default() };
    let server = server(settings, FrontSettings::default(), false).await;
    let mut silent = Vec::new();
    for number in 0..12 {
        silent.push(half_sent(&server, &format!("slow{number}"), 1).await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let took = victim(&server, MIB).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
}
