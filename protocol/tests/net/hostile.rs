//! Peers of ill will, on either side: they are cut off, and nobody else notices.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use couronne_cluster::Role;
use couronne_protocol::net::{Joiner, NetSettings, ask_once};
use couronne_protocol::transport::{
    BODY_BYTES_MAX, CallError, HEAD_BYTES_MAX, Message, Method, Rejection, Transport as _,
};
use couronne_ring::NodeId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{
    Cluster, GREETING, RawClient, RawServer, Running, is_closed, packet, pattern, raw_connect, raw_greeted, settings,
    told, until,
};

const ONE: NodeId = NodeId(1);

/// A server, and a member that talks to it as it likes.
struct Scene {
    cluster: Cluster,
    server: Running,
}

impl Scene {
    async fn new() -> Self {
        Self::with(settings()).await
    }

    async fn with(settings: NetSettings) -> Self {
        let cluster = Cluster::new(7);
        let tls = cluster.tls(1, Role::StorageNode);
        Self { server: Running::start_with(tls, settings, "127.0.0.1:0").await, cluster }
    }

    async fn greeted(&self) -> RawClient {
        let config = self.cluster.raw_client(Some((2, Role::StorageNode)));
        raw_greeted(config, 7, 1, &self.server.address).await
    }

    /// The server serves others as ever.
    async fn is_well(&self) {
        let transport = self.cluster.transport(3, Role::Gateway, &[(1, &self.server.address)]);
        assert!(transport.call(ONE, Method::Status, told("echo")).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_before_tls_is_cut_off() {
    let scene = Scene::new().await;
    let mut socket = TcpStream::connect(&scene.server.address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(is_closed(&mut socket).await);
    let mut silent = TcpStream::connect(&scene.server.address).await.unwrap();
    assert!(is_closed(&mut silent).await, "a handshake has its time");
    scene.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_greet_is_cut_off() {
    let scene = Scene::new().await;
    for greeting in [&b"GET / HTTP/1.1\r\n"[..], b"couronne\0\x02\0\x03", b"couronne\0\0\0\0", b"couro"] {
        let config = scene.cluster.raw_client(Some((2, Role::StorageNode)));
        let mut raw = raw_connect(config, 7, 1, &scene.server.address).await;
        raw.write_all(greeting).await.unwrap();
        raw.flush().await.unwrap();
        assert!(is_closed(&mut raw).await, "{greeting:?}");
    }
    scene.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_are_none_end_the_connection() {
    let scene = Scene::new().await;
    let too_long = |head: usize, body: usize| {
        let lengths = [head, body].map(|len| u32::try_from(len).unwrap().to_be_bytes()).concat();
        [&[1, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &lengths].concat()
    };
    let bad = [
        packet(0, 0, 1, b"", b""),
        packet(6, 0, 1, b"", b""),
        packet(2, 0, 1, b"an answer", b""),
        packet(3, 1, 1, b"", b""),
        packet(4, 0, 1, b"a ping with bytes", b""),
        too_long(HEAD_BYTES_MAX + 1, 0),
        too_long(0, BODY_BYTES_MAX + 1),
        too_long(u32::MAX as usize, u32::MAX as usize),
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
    ];
    for bytes in bad {
        let mut raw = scene.greeted().await;
        raw.write_all(&bytes).await.unwrap();
        raw.flush().await.unwrap();
        assert!(is_closed(&mut raw).await, "{bytes:?}");
    }
    assert_eq!(scene.server.service.served.load(Ordering::Relaxed), 0);
    scene.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_cut_off_is_not_served() {
    let scene = Scene::new().await;
    let whole = packet(1, Method::PutShard.number(), 1, b"echo", &[5; 100_000]);
    for len in [1, 19, 20, 22, 24, 60_000, whole.len() - 1] {
        let mut raw = scene.greeted().await;
        raw.write_all(&whole[..len]).await.unwrap();
        raw.shutdown().await.unwrap();
        assert!(is_closed(&mut raw).await, "{len} bytes");
    }
    assert_eq!(scene.server.service.served.load(Ordering::Relaxed), 0);
    scene.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_methods_are_rejected_and_the_connection_goes_on() {
    let scene = Scene::new().await;
    let mut raw = scene.greeted().await;
    raw.write_all(&packet(1, 250, 1, b"of a newer release", &[1; 50_000])).await.unwrap();
    raw.write_all(&packet(1, Method::Status.number(), 2, b"echo", b"")).await.unwrap();
    raw.write_all(&packet(4, 0, 0, b"", b"")).await.unwrap();
    let expected = [packet(3, 1, 1, b"", b""), packet(5, 0, 0, b"", b""), packet(2, 0, 2, b"echo", b"")];
    let mut got = vec![0; expected.concat().len()];
    raw.read_exact(&mut got).await.unwrap();
    assert_eq!(got[..20], expected[0]);
    // Whether the pong or the answer comes first is random.
    assert!(got == expected.concat() || got[20..] == [&expected[2][..], &expected[1]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_read_is_cut_off() {
    let scene = Scene::new().await;
    let mut raw = scene.greeted().await;
    for call in 0..20 {
        raw.write_all(&packet(1, Method::GetShard.number(), call, b"size 10000000", b"")).await.unwrap();
    }
    raw.flush().await.unwrap();
    until("all answers wait", || scene.server.service.served.load(Ordering::Relaxed) >= 8).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // What the kernel had taken by then still comes; the rest does not.
    let mut got = 0;
    let mut bytes = vec![0; 1 << 20];
    while let Ok(count @ 1..) = raw.read(&mut bytes).await {
        got += count;
    }
    assert!(got < 150_000_000, "{got} bytes came");
    assert!(scene.server.service.served.load(Ordering::Relaxed) <= 20);
    scene.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_nobody_reads_are_bounded() {
    let scene = Scene::with(NetSettings { calls_max: 100, silence_ms_max: 60_000, ..settings() }).await;
    let mut raw = scene.greeted().await;
    let flood = packet(1, 250, 1, b"", b"").repeat(10_000);
    let mut ended = false;
    for _ in 0..2000 {
        if raw.write_all(&flood).await.is_err() {
            ended = true;
            break;
        }
    }
    assert!(ended, "twenty million refusals were queued");
    scene.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_panics_loses_its_call_and_nothing_else() {
    let scene = Scene::new().await;
    let transport = scene.cluster.transport(3, Role::Gateway, &[(1, &scene.server.address)]);
    let lost = transport.call(ONE, Method::Status, told("panic")).await;
    assert!(matches!(lost, Err(CallError::Lost(_))), "{lost:?}");
    scene.is_well().await;
}

/// A server with a node's own certificate that answers a first request with these bytes.
async fn evil_server(cluster: &Cluster, greeting: &'static [u8], answer: Vec<u8>) -> String {
    let server = RawServer::start(cluster, 1).await;
    let address = server.address.clone();
    tokio::spawn(async move {
        let mut stream = server.accept().await.unwrap();
        stream.write_all(greeting).await.unwrap();
        let mut bytes = [0; 12 + 24];
        if stream.read_exact(&mut bytes).await.is_ok() {
            stream.write_all(&answer).await.unwrap();
            stream.flush().await.unwrap();
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_nonsense_is_cut_off() {
    let cluster = Cluster::new(7);
    let bad = [
        packet(1, 10, 1, b"a request", b""),
        packet(2, 0, 99, b"an answer to no call", b""),
        [packet(2, 0, 1, b"", b""), packet(2, 0, 1, b"", b"")].concat()[1..].to_vec(),
        b"HTTP/1.1 200 OK\r\n\r\n     ".to_vec(),
    ];
    for answer in bad {
        let address = evil_server(&cluster, GREETING, answer.clone()).await;
        let transport = cluster.transport(2, Role::StorageNode, &[(1, &address)]);
        let lost = transport.call(ONE, Method::Status, told("echo")).await;
        assert!(matches!(lost, Err(CallError::Lost(_))), "{answer:?}: {lost:?}");
    }
    let address = evil_server(&cluster, b"couronne\0\x02\0\x02", Vec::new()).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &address)]);
    let none = transport.call(ONE, Method::Status, told("echo")).await;
    assert!(matches!(none, Err(CallError::Unreachable(_))), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unjoined_processes_take_nothing_from_members() {
    let cluster = Cluster::new(7);
    let settings = NetSettings { handshakes_max: 4, unjoined_max: 2, connections_max: 8, served_max: 1, ..settings() };
    let server = Running::start_with(cluster.tls(1, Role::StorageNode), settings, "127.0.0.1:0").await;
    // Some that say nothing, and some that greet and stay: each beyond all places that there are.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(&server.address).await.unwrap());
    }
    let greet = || raw_greeted(cluster.raw_client(None), 7, 1, &server.address);
    let mut first = greet().await;
    first.write_all(&packet(1, Method::Join.number(), 5, b"wait", b"")).await.unwrap();
    until("its call is under way", || server.service.waiting.load(Ordering::Relaxed) == 1).await;
    // One call at a time: the second is refused, and holds nothing.
    first.write_all(&packet(1, Method::Join.number(), 6, b"echo", b"")).await.unwrap();
    let mut rejection = [0; 20];
    first.read_exact(&mut rejection).await.unwrap();
    assert_eq!(rejection[..], packet(3, 3, 6, b"", b""), "overloaded");
    // The one call that the budget of members has is theirs.
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &server.address)]);
    let answer = transport.call(ONE, Method::Report, told("echo")).await;
    assert_eq!(answer.unwrap().head, "echo");
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(greet().await);
    }
    assert!(is_closed(&mut first).await, "the oldest gave its place");
    let joiner = Joiner::new(cluster.clock.clone(), cluster.authority.fingerprint()).unwrap();
    let joined = ask_once(&server.address, &joiner, Method::Join, told("echo"), &NetSettings::default()).await;
    assert_eq!(joined.unwrap().head, "echo", "one that joins gets in as well");
    assert!(is_closed(&mut silent[0]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_keeps_whatever_it_gets_takes_nothing_that_others_need() {
    let settings = NetSettings {
        served_bytes_max: 4 << 20,
        reserved_bytes_max: 1 << 20,
        connections_max: 100,
        member_connections_max: 8,
        ..settings()
    };
    let scene = Scene::with(settings).await;
    let greedy = || scene.cluster.raw_client(Some((2, Role::Gateway)));
    // Heads of packets whose bodies never come: the large ones first, then what still fits beside them.
    let mut held = Vec::new();
    for len in [2 << 20, 1 << 20, 1 << 16, 1 << 12, 1 << 8, 0, 0, 0] {
        let mut raw = raw_greeted(greedy(), 7, 1, &scene.server.address).await;
        raw.write_all(&packet_head(Method::PutShard, 1, len)).await.unwrap();
        raw.flush().await.unwrap();
        held.push(raw);
    }
    let mut beyond = raw_greeted(greedy(), 7, 1, &scene.server.address).await;
    assert!(is_closed(&mut beyond).await, "so many connections are enough for one member");
    let other = scene.cluster.transport(3, Role::Gateway, &[(1, &scene.server.address)]);
    let shard = Message { head: Bytes::from_static(b"echo"), body: pattern(900_000) };
    assert!(other.call(ONE, Method::PutShard, shard).await.is_ok());
    scene.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_and_votes_find_room_whatever_gateways_keep() {
    let settings = NetSettings { served_max: 4, ..settings() };
    let scene = Scene::with(settings).await;
    let mut calls = Vec::new();
    for gateway in 10..30 {
        let transport = scene.cluster.transport(gateway, Role::Gateway, &[(1, &scene.server.address)]);
        calls.push(tokio::spawn(async move { transport.call(ONE, Method::PutShard, told("wait")).await }));
    }
    // Two get half each of what is left, and so on; the rest are refused.
    until("they have all", || calls.iter().filter(|call| !call.is_finished()).count() <= 4).await;
    let node = scene.cluster.transport(2, Role::StorageNode, &[(1, &scene.server.address)]);
    for method in [Method::Vote, Method::Append, Method::Report] {
        assert!(node.call(ONE, method, told("echo")).await.is_ok(), "{method:?}");
    }
    let data = node.call(ONE, Method::PutShard, told("echo")).await;
    assert_eq!(data, Err(Rejection::Overloaded.into()), "the reserve is not for bulk");
    scene.server.service.gate.add_permits(20);
    for call in calls {
        let _ = call.await.unwrap();
    }
}

/// The head of a packet with so long a body.
fn packet_head(method: Method, call: u64, len: u32) -> Vec<u8> {
    let mut head = packet(1, method.number(), call, b"", b"");
    head.splice(16..20, len.to_be_bytes());
    head
}
