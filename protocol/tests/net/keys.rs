//! Keys of a connection are renewed, whichever side began it and whichever library is at the other end; and a record
//! that does not verify is not taken.

use bytes::Bytes;
use couronne_cluster::Role;
use couronne_protocol::net::NetSettings;
use couronne_protocol::transport::{CallError, Message, Method, Transport as _};
use couronne_ring::NodeId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Cluster, GREETING, RawServer, Running, packet, pattern, raw_greeted, settings};

const ONE: NodeId = NodeId(1);

/// A key seals no more than three records.
fn renewing() -> NetSettings {
    NetSettings { records_a_key_max: 3, ..settings() }
}

fn echo(len: usize) -> Message {
    Message { head: Bytes::from_static(b"echo"), body: pattern(len) }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_through_while_keys_are_renewed() {
    let cluster = Cluster::new(7);
    let server = Running::start_with(cluster.tls(1, Role::StorageNode), renewing(), "127.0.0.1:0").await;
    let transport = cluster.transport_with(2, Role::Gateway, &[(1, &server.address)], renewing());
    for len in [0, 1, 16 << 10, 300_000, 5 << 20] {
        let answer = transport.call(ONE, Method::PutShard, echo(len)).await.unwrap();
        assert!(answer == echo(len), "{len} bytes");
    }
}

/// A member of another release may leave records to rustls.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_speaks_rustls_renews_its_keys_and_follows_ours() {
    let cluster = Cluster::new(7);
    let server = Running::start_with(cluster.tls(1, Role::StorageNode), renewing(), "127.0.0.1:0").await;
    let config = cluster.raw_client(Some((2, Role::StorageNode)));
    let mut raw = raw_greeted(config, 7, 1, &server.address).await;
    for call in 0..20 {
        raw.get_mut().1.refresh_traffic_keys().unwrap();
        let body = pattern(call * 7001);
        let number = u64::try_from(call).unwrap();
        raw.write_all(&packet(1, Method::PutShard.number(), number, b"echo", &body)).await.unwrap();
        let expected = packet(2, 0, number, b"echo", &body);
        let mut got = vec![0; expected.len()];
        raw.read_exact(&mut got).await.unwrap();
        assert!(got == expected, "call {call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_rustls_renews_its_keys_and_follows_ours() {
    let cluster = Cluster::new(7);
    let server = RawServer::start(&cluster, 1).await;
    let address = server.address.clone();
    tokio::spawn(async move {
        let mut stream = server.accept().await.unwrap();
        stream.write_all(GREETING).await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        let mut head = [0; 20];
        while stream.read_exact(&mut head).await.is_ok() {
            let len = |at: usize| usize::try_from(u32::from_be_bytes(head[at..at + 4].try_into().unwrap())).unwrap();
            let mut message = vec![0; len(12) + len(16)];
            stream.read_exact(&mut message).await.unwrap();
            stream.get_mut().1.refresh_traffic_keys().unwrap();
            (head[0], head[1]) = (2, 0);
            stream.write_all(&[&head[..], &message].concat()).await.unwrap();
            stream.flush().await.unwrap();
        }
    });
    let one_connection = NetSettings { data_connections: 1, ..renewing() };
    let transport = cluster.transport_with(2, Role::Gateway, &[(1, &address)], one_connection);
    for len in (0..20).map(|call| call * 7001) {
        let answer = transport.call(ONE, Method::PutShard, echo(len)).await.unwrap();
        assert!(answer == echo(len), "{len} bytes");
    }
}

/// Hands on what passes from server to client, with one bit of it changed.
async fn flipping(server: String, at: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(&server).await.unwrap();
        let ((mut near_read, mut near_write), (mut far_read, mut far_write)) = (near.into_split(), far.into_split());
        tokio::spawn(async move { tokio::io::copy(&mut near_read, &mut far_write).await });
        let (mut bytes, mut passed) = (vec![0; 10_000], 0);
        while let Ok(count @ 1..) = far_read.read(&mut bytes).await {
            if (passed..passed + count).contains(&at) {
                bytes[at - passed] ^= 1;
            }
            passed += count;
            if near_write.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_on_its_way_is_not_taken() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    for at in [5000, 20_000, 99_999, 150_000, 199_000] {
        let address = flipping(server.address.clone(), at).await;
        let once = NetSettings { data_connections: 1, ..settings() };
        let transport = cluster.transport_with(2, Role::Gateway, &[(1, &address)], once);
        let lost = transport.call(ONE, Method::PutShard, echo(200_000)).await;
        assert!(matches!(lost, Err(CallError::Lost(_))), "{at}: {lost:?}");
    }
}
