//! Calls: what goes comes back equal, many at once, within bounds.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use couronne_cluster::Role;
use couronne_protocol::net::NetSettings;
use couronne_protocol::transport::{
    BODY_BYTES_MAX, CallError, HEAD_BYTES_MAX, Message, Method, Rejection, Transport as _,
};
use couronne_ring::NodeId;

use crate::support::{Cluster, Running, pattern, settings, told, until};

const ONE: NodeId = NodeId(1);

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_all_sizes_come_back_equal() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let transport = cluster.transport(2, Role::Gateway, &[(1, &server.address)]);
    for len in [0, 1, 4095, 4096, 16 << 10, (16 << 10) + 1, 65_535, 65_536, 300_000, 1 << 20, BODY_BYTES_MAX] {
        let sent = Message { head: Bytes::from_static(b"echo"), body: pattern(len) };
        let answer = transport.call(ONE, Method::PutShard, sent.clone()).await.unwrap();
        assert!(answer == sent, "{len} bytes");
    }
    assert_eq!(server.service.bodies_aligned.load(Ordering::Relaxed), 10);
    for len in [0, 1, 16 << 10, 70_000, HEAD_BYTES_MAX - 5] {
        let sent = Message { head: [&b"echo\0"[..], &pattern(len)].concat().into(), body: pattern(100) };
        let answer = transport.call(ONE, Method::Append, sent.clone()).await;
        let answer = if let Err(CallError::Rejected(Rejection::Forbidden)) = answer {
            transport.call(ONE, Method::Execute, sent.clone()).await
        } else {
            panic!("a gateway appended")
        };
        assert!(answer.unwrap() == sent, "{len} bytes of head");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_each_get_their_own_answer() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &server.address)]);
    let mut calls = Vec::new();
    for number in 0..1000usize {
        let transport = transport.clone();
        calls.push(tokio::spawn(async move {
            let method = [Method::PutShard, Method::Vote, Method::Append][number % 3];
            let head = Bytes::from(format!("echo\0{number}"));
            let body = if number % 50 == 0 { pattern(200_000 + number) } else { pattern(number) };
            let sent = Message { head, body };
            assert!(transport.call(ONE, method, sent.clone()).await.unwrap() == sent);
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(server.service.served.load(Ordering::Relaxed), 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_call_holds_up_no_other() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &server.address)]);
    let slow = tokio::spawn({
        let transport = transport.clone();
        async move { transport.call(ONE, Method::Vote, told("wait")).await }
    });
    until("the slow call", || server.service.waiting.load(Ordering::Relaxed) == 1).await;
    assert!(transport.call(ONE, Method::Vote, told("echo")).await.is_ok());
    server.service.gate.add_permits(1);
    assert!(slow.await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_is_forgotten_but_counts_until_it_is_answered() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let few = NetSettings { calls_max: 4, ..settings() };
    let transport = cluster.transport_with(2, Role::StorageNode, &[(1, &server.address)], few);
    let mut calls = Vec::new();
    for _ in 0..4 {
        let transport = transport.clone();
        calls.push(tokio::spawn(async move { transport.call(ONE, Method::Vote, told("wait")).await }));
    }
    until("four calls", || server.service.waiting.load(Ordering::Relaxed) == 4).await;
    for call in calls {
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    let refused = transport.call(ONE, Method::Vote, told("echo")).await;
    assert_eq!(refused, Err(Rejection::Overloaded.into()));
    server.service.gate.add_permits(4);
    for _ in 0..500 {
        if transport.call(ONE, Method::Vote, told("echo")).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the calls count for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_too_much_refuses_before_it_takes_the_body() {
    let cluster = Cluster::new(7);
    let small = NetSettings { served_max: 6, served_bytes_max: 2 << 20, ..settings() };
    let server = Running::start_with(cluster.tls(1, Role::StorageNode), small, "127.0.0.1:0").await;
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &server.address)]);
    let wait = |len: usize| {
        let transport = transport.clone();
        let message = Message { head: Bytes::from_static(b"wait"), body: pattern(len) };
        tokio::spawn(async move { transport.call(ONE, Method::PutShard, message).await })
    };
    let first = wait(900_000);
    until("the first call", || server.service.waiting.load(Ordering::Relaxed) == 1).await;
    assert_eq!(wait(200_000).await.unwrap(), Err(Rejection::Overloaded.into()), "too many bytes");
    let (second, third) = (wait(10), wait(10));
    until("three calls", || server.service.waiting.load(Ordering::Relaxed) == 3).await;
    assert_eq!(wait(10).await.unwrap(), Err(Rejection::Overloaded.into()), "too many calls");
    assert_eq!(server.service.served.load(Ordering::Relaxed), 3, "refused calls are not served");
    server.service.gate.add_permits(3);
    for call in [first, second, third] {
        assert!(call.await.unwrap().is_ok());
    }
    assert!(transport.call(ONE, Method::PutShard, told("echo")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_does_not_leave() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &server.address)]);
    let head = Message::of(Bytes::from(vec![0; HEAD_BYTES_MAX + 1]));
    let body = Message { head: Bytes::new(), body: Bytes::from(vec![0; BODY_BYTES_MAX + 1]) };
    for message in [head, body] {
        assert_eq!(transport.call(ONE, Method::PutShard, message).await, Err(Rejection::Malformed.into()));
    }
    assert_eq!(server.service.served.load(Ordering::Relaxed), 0);
    // An answer that is too long may stand for something done: its caller learns that it is lost.
    let too_long = told(format!("size {}", BODY_BYTES_MAX + 1));
    assert!(matches!(transport.call(ONE, Method::GetShard, too_long).await, Err(CallError::Lost(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_of_the_service_comes_back() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(1, &server.address)]);
    let answer = transport.call(ONE, Method::GetShard, told("overloaded")).await;
    assert_eq!(answer, Err(Rejection::Overloaded.into()));
}
