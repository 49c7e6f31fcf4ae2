//! How connections end: killed, silent, stopped; and what becomes of the calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use couronne_cluster::Role;
use couronne_protocol::net::{NetSettings, NetTransport};
use couronne_protocol::transport::{CallError, Message, Method, Rejection, Transport as _};
use couronne_ring::NodeId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::{Cluster, GREETING, RawServer, Running, pattern, settings, told, until};

const ONE: NodeId = NodeId(1);

type Answer = Result<Message, CallError>;

fn call(transport: &Arc<NetTransport>, method: Method, message: Message) -> JoinHandle<Answer> {
    let transport = transport.clone();
    tokio::spawn(async move { transport.call(ONE, method, message).await })
}

/// Something between a client and its server that can be cut.
async fn cuttable(server: &str) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, server) = (listener.local_addr().unwrap().to_string(), server.to_owned());
    let task = tokio::spawn(async move {
        let mut pipes = tokio::task::JoinSet::new();
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = tokio::net::TcpStream::connect(&server).await.unwrap();
            pipes.spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    (address, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_connection_is_killed_is_lost() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let (address, pipe) = cuttable(&server.address).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &address)]);
    let waiting = call(&transport, Method::PutShard, told("wait"));
    until("the call", || server.service.waiting.load(Ordering::Relaxed) == 1).await;
    pipe.abort();
    let lost = waiting.await.unwrap();
    assert!(matches!(lost, Err(CallError::Lost(_))), "{lost:?}");
    let next = transport.call(ONE, Method::PutShard, told("echo")).await;
    assert!(matches!(next, Err(CallError::Unreachable(_))), "nobody listens there any more: {next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_calls_fail_at_once_and_then_connect_again() {
    let cluster = Cluster::new(7);
    let vacant = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let patient = NetSettings { backoff_ms: 300, backoff_ms_max: 600, ..settings() };
    let transport = cluster.transport_with(2, Role::StorageNode, &[(1, &vacant)], patient);
    let refused = transport.call(ONE, Method::Append, told("echo")).await;
    assert!(matches!(refused, Err(CallError::Unreachable(_))));
    let tls = cluster.tls(1, Role::StorageNode);
    let _server = Running::start_with(tls, settings(), &vacant).await;
    let still = transport.call(ONE, Method::Append, told("echo")).await;
    assert_eq!(still, refused, "the reason is kept while calls fail at once");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(transport.call(ONE, Method::Append, told("echo")).await.is_ok());
    let nobody = transport.call(NodeId(9), Method::Append, told("echo")).await;
    assert!(matches!(nobody, Err(CallError::Unreachable(_))), "no address");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_falls_silent_is_given_up() {
    let cluster = Cluster::new(7);
    let server = RawServer::start(&cluster, 1).await;
    let address = server.address.clone();
    let silent = tokio::spawn(async move {
        let mut streams = Vec::new();
        loop {
            let mut stream = server.accept().await.unwrap();
            stream.write_all(GREETING).await.unwrap();
            stream.flush().await.unwrap();
            let _ = stream.read(&mut [0; 12]).await;
            streams.push(stream);
        }
    });
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &address)]);
    let start = Instant::now();
    let bulk = Message { head: Bytes::new(), body: pattern(30 << 20) };
    let calls = [
        call(&transport, Method::Vote, told("echo")),
        call(&transport, Method::Append, told("echo")),
        call(&transport, Method::PutShard, bulk),
    ];
    for call in calls {
        let lost = call.await.unwrap();
        assert!(matches!(lost, Err(CallError::Lost(_))), "{lost:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    silent.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_peer_that_answers_late_is_not_given_up() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &server.address)]);
    let waiting = call(&transport, Method::PutShard, told("wait"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!waiting.is_finished(), "it answers pings");
    server.service.gate.add_permits(1);
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_is_under_way() {
    let cluster = Cluster::new(7);
    let mut server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let service = server.service.clone();
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &server.address)]);
    let big = Message { head: Bytes::from_static(b"wait"), body: pattern(5 << 20) };
    let under_way = [call(&transport, Method::Vote, told("wait")), call(&transport, Method::Vote, big.clone())];
    until("the calls", || service.waiting.load(Ordering::Relaxed) == 2).await;
    server.begin_stop();
    let mut refused = transport.call(ONE, Method::Vote, told("echo")).await;
    for _ in 0..100 {
        if refused.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        refused = transport.call(ONE, Method::Vote, told("echo")).await;
    }
    assert_eq!(refused, Err(Rejection::NotServing.into()));
    let elsewhere = transport.call(ONE, Method::Append, told("echo")).await;
    assert!(matches!(elsewhere, Err(CallError::Unreachable(_))), "nobody listens any more: {elsewhere:?}");
    service.gate.add_permits(2);
    let [small, large] = under_way;
    assert_eq!(small.await.unwrap(), Ok(told("wait")));
    assert!(large.await.unwrap().unwrap() == big);
    let start = Instant::now();
    server.ended().await;
    assert!(start.elapsed() < Duration::from_secs(2), "it ends when the last answer has left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_ever() {
    let cluster = Cluster::new(7);
    let mut server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &server.address)]);
    let stuck = call(&transport, Method::Vote, told("wait"));
    let service = server.service.clone();
    until("the call", || service.waiting.load(Ordering::Relaxed) == 1).await;
    server.begin_stop();
    let start = Instant::now();
    server.ended().await;
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert!(matches!(stuck.await.unwrap(), Err(CallError::Lost(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_server_stops_at_once() {
    let cluster = Cluster::new(7);
    let mut server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &server.address)]);
    assert!(transport.call(ONE, Method::Vote, told("echo")).await.is_ok());
    server.begin_stop();
    let start = Instant::now();
    server.ended().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_is_finished_though_its_caller_is_gone() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &server.address)]);
    let waiting = call(&transport, Method::PutShard, told("wait"));
    until("the call", || server.service.waiting.load(Ordering::Relaxed) == 1).await;
    waiting.abort();
    drop(transport);
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.service.gate.add_permits(1);
    until("the call's end", || server.service.gate.available_permits() == 0).await;
}
