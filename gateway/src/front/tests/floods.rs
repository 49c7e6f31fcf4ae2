//! HTTP/2 as no client's library speaks it: floods of frames that cost their sender next to nothing. The connection
//! ends, and others are served.

use std::time::Duration;

use hyper::client::conn::http2 as client_http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::encrypted::{CERT, KEY, connect, request};
use super::*;
use crate::front::server::tls_config;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, len @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Room for so many bytes more, of a stream or, with 0, of the connection.
fn window_update(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

/// A header as it is written that stands in no table.
fn field(name: &str, value: &str) -> Vec<u8> {
    let len = |text: &str| u8::try_from(text.len()).unwrap();
    [&[0, len(name)][..], name.as_bytes(), &[len(value)], value.as_bytes()].concat()
}

fn head() -> Vec<u8> {
    head_of("PUT")
}

fn head_of(method: &str) -> Vec<u8> {
    let fields = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", "/bkt/k")];
    fields.map(|(name, value)| field(name, value)).concat()
}

/// Sends what comes first, and then the flood until the server has enough of it. Gives how often the flood was sent.
async fn is_cut_off(server: &ToyServer, first: Vec<u8>, flood: impl Fn(u32) -> Vec<u8>) -> u32 {
    let stream = connect(server.listener.address, b"h2").await;
    let (mut answers, mut sending) = tokio::io::split(stream);
    sending.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, b""), &first].concat()).await.unwrap();
    // What the server says is read: it is not its own words that it drowns in.
    let reading = tokio::spawn(async move {
        let mut said = vec![0; 64 << 10];
        while answers.read(&mut said).await.is_ok_and(|read| read > 0) {}
    });
    let flooding = async {
        for number in 0.. {
            let sent = sending.write_all(&flood(number)).await.is_ok() && sending.flush().await.is_ok();
            if !sent || reading.is_finished() {
                return number;
            }
        }
        u32::MAX
    };
    let times = timeout(Duration::from_secs(60), flooding).await.expect("the flood goes on");
    put_over_http2(server, b"x").await;
    times
}

async fn put_over_http2(server: &ToyServer, body: &[u8]) {
    let stream = connect(server.listener.address, b"h2").await;
    let (mut sender, connection) = client_http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let honest = request(&server.ask("PUT", "/bkt/k").body(body));
    assert_eq!(sender.send_request(honest).await.unwrap().status(), 200);
}

async fn server_of_http1() -> ToyServer {
    ToyServer::with(ServerSettings::default(), FrontSettings::default(), None).await
}

/// As [`head`], of a request of the owner's.
fn authorized_head(server: &ToyServer, method: &str) -> Vec<u8> {
    let Keys { access_key, secret } = &server.world.owner;
    [head_of(method), field("authorization", &format!("Toy {access_key}:{secret}"))].concat()
}

async fn server() -> ToyServer {
    ToyServer::with(ServerSettings::default(), FrontSettings::default(), Some(tls_config(CERT, KEY).unwrap())).await
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let server = server().await;
    let begun = || frame(HEADERS, 0, 1, &head());
    is_cut_off(&server, begun(), |number| frame(CONTINUATION, 0, 1, &field(&format!("x-{number}"), "y"))).await;
    is_cut_off(&server, begun(), |_| frame(CONTINUATION, 0, 1, b"")).await;
}

#[tokio::test]
async fn streams_that_are_opened_to_be_reset_are_cut_off() {
    let server = server().await;
    let opened_and_reset = |number: u32| {
        let stream = 2 * number + 1;
        let opened = frame(HEADERS, END_HEADERS | END_STREAM, stream, &head());
        [opened, frame(RESET, 0, stream, &8u32.to_be_bytes())].concat()
    };
    is_cut_off(&server, Vec::new(), opened_and_reset).await;
}

/// Streams of a client whose windows are shut, and which has no key: each is answered, and reads nothing. Those for which
/// there is no place are reset, and others are served.
#[tokio::test]
async fn streams_without_a_key_that_take_no_answer_are_bounded() {
    const STREAMS: u32 = 100;
    const PLACES: usize = 8;
    let settings = ServerSettings { requests_max: PLACES, ..ServerSettings::default() };
    let server = ToyServer::with(settings, FrontSettings::default(), Some(tls_config(CERT, KEY).unwrap())).await;
    let mut connection = connect(server.listener.address, b"h2").await;
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    let shut = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let opened = |number: u32| frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &head_of("GET"));
    let opened: Vec<u8> = (0..STREAMS).flat_map(opened).collect();
    connection.write_all(&[PREFACE, &shut, &opened].concat()).await.unwrap();
    let mut reset = 0;
    let reading = async {
        while reset < STREAMS as usize - PLACES {
            let mut head = [0; 9];
            connection.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            connection.read_exact(&mut payload).await.unwrap();
            reset += usize::from(head[3] == RESET);
        }
    };
    timeout(Duration::from_secs(20), reading).await.expect("streams are kept that nobody reads");
    // Those that have their place for a while give way to another of their address.
    tokio::time::sleep(Duration::from_secs(1)).await;
    put_over_http2(&server, b"x").await;
}

/// An upload in chunks of a byte, so many of them; the status of its answer.
async fn in_single_bytes(server: &ToyServer, count: usize) -> u16 {
    let mut ask = server.ask("PUT", "/bkt/k");
    ask.with_length = false;
    let wire = [ask.head(), b"1\r\nx\r\n".repeat(count), b"0\r\n\r\n".to_vec()].concat();
    let (mut answers, mut sending) = tokio::io::split(TcpStream::connect(server.listener.address).await.unwrap());
    let sending = tokio::spawn(async move { sending.write_all(&wire).await });
    let mut answer = vec![0; 12];
    timeout(Duration::from_secs(60), answers.read_exact(&mut answer)).await.unwrap().unwrap();
    sending.abort();
    String::from_utf8(answer).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_upload_in_chunks_of_a_byte_is_taken_if_it_is_short_and_else_refused() {
    let server = server_of_http1().await;
    assert_eq!(in_single_bytes(&server, 50_000).await, 200);
    assert_eq!(in_single_bytes(&server, 200_000).await, 400);
}

#[tokio::test]
async fn an_upload_in_frames_of_a_byte_is_cut_off() {
    let server = server().await;
    let begun = frame(HEADERS, END_HEADERS, 1, &authorized_head(&server, "PUT"));
    is_cut_off(&server, begun, |_| frame(DATA, 0, 1, b"x").repeat(1000)).await;
}

#[tokio::test]
async fn data_without_a_byte_is_cut_off() {
    let server = server().await;
    is_cut_off(&server, frame(HEADERS, END_HEADERS, 1, &head()), |_| frame(DATA, 0, 1, b"")).await;
}

/// Sources: CVE-2019-9512, CVE-2019-9513, CVE-2019-9515.
#[tokio::test]
async fn frames_that_carry_nothing_are_cut_off_whatever_their_kind() {
    let server = server().await;
    let upload = || frame(HEADERS, END_HEADERS, 1, &authorized_head(&server, "PUT"));
    for (name, flooding) in [
        ("window updates of the connection", window_update(0, 1)),
        ("window updates of a stream", window_update(1, 1)),
        ("settings", frame(SETTINGS, 0, 0, b"")),
        ("settings that change", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 100, 0])),
        ("pings", frame(PING, 0, 0, b"12345678")),
        ("answers to no ping", frame(PING, 1, 0, b"12345678")),
        ("priorities", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16])),
        ("a kind that nobody knows", frame(0xbe, 0, 1, b"")),
        ("long ones of a kind that nobody knows", frame(0xbe, 0, 1, &[0; 100])),
    ] {
        let times = is_cut_off(&server, upload(), |_| flooding.repeat(1000)).await;
        // The buffers between have what was not read any more.
        assert!(times < 4000, "{name}: {times} thousand frames were taken");
    }
}

#[tokio::test]
async fn resets_of_a_stream_that_was_served_are_cut_off() {
    let server = server().await;
    let served = frame(HEADERS, END_HEADERS | END_STREAM, 1, &authorized_head(&server, "GET"));
    is_cut_off(&server, served, |_| frame(RESET, 0, 1, &8u32.to_be_bytes()).repeat(1000)).await;
}

/// A client that makes room for each frame once it has it, for the stream and for the connection, and measures the way
/// with a ping: more frames of its own than may carry nothing.
#[tokio::test]
async fn a_download_with_frames_of_the_clients_for_each_that_comes_is_not_cut_off() {
    const LEN: usize = 32 << 20;
    let window = 1000u32;
    let server = server().await;
    put_over_http2(&server, &vec![b'x'; LEN]).await;
    let stream = connect(server.listener.address, b"h2").await;
    let (answers, mut sending) = tokio::io::split(stream);
    let mut answers = tokio::io::BufReader::new(answers);
    let settings = frame(SETTINGS, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat());
    let get = frame(HEADERS, END_HEADERS | END_STREAM, 1, &authorized_head(&server, "GET"));
    sending.write_all(&[PREFACE, &settings, &get].concat()).await.unwrap();
    let (mut received, mut sent) = (0, 0);
    let download = async {
        while received < LEN {
            let mut header = [0; 9];
            answers.read_exact(&mut header).await.expect("it is cut off");
            let len = u32::from_be_bytes([0, header[0], header[1], header[2]]);
            answers.read_exact(&mut vec![0; len as usize]).await.unwrap();
            if header[3] == DATA && len > 0 {
                received += len as usize;
                let more = [window_update(0, len), window_update(1, len), frame(PING, 0, 0, b"12345678")];
                let _ = sending.write_all(&more.concat()).await;
                let _ = sending.flush().await;
                sent += more.len();
            }
        }
    };
    timeout(Duration::from_secs(100), download).await.expect("it goes on");
    assert!(sent > 70_000, "{sent} frames are too few to tell");
}
