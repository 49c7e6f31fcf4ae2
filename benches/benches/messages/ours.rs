//! The transport of `protocol`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_protocol::net::{Addresses, NetSettings, NetTransport, serve};
use couronne_protocol::transport::{Message, Method, Peer, Rejection, Service, Transport as _};
use couronne_ring::NodeId;
use tokio::net::TcpListener;

use crate::Way;
use crate::cluster::Cluster;

struct Book(String);

impl Addresses for Book {
    fn address(&self, _: NodeId) -> Option<String> {
        Some(self.0.clone())
    }
}

struct Server {
    large: Bytes,
}

#[async_trait]
impl Service for Server {
    async fn serve(&self, _: Peer, method: Method, message: Message) -> Result<Message, Rejection> {
        let len = match method {
            Method::GetShard => u32::from_be_bytes(*message.head.last_chunk().unwrap()) as usize,
            _ => 0,
        };
        Ok(Message { head: Bytes::from_static(&[1, 1, 0]), body: self.large.slice(..len) })
    }
}

pub(crate) struct Ours(Arc<NetTransport>);

impl Ours {
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Arc::new(Server { large: Bytes::from(vec![7; 1 << 20]) });
        let never = std::future::pending();
        tokio::spawn(serve(listener, cluster.tls(1), server, NetSettings::default(), never));
        Self(NetTransport::new(cluster.tls(2), Arc::new(Book(address)), NetSettings::default()))
    }
}

#[async_trait]
impl Way for Ours {
    async fn send(&self, head: Bytes, body: Bytes) {
        self.0.call(NodeId(1), Method::PutShard, Message { head, body }).await.unwrap();
    }

    async fn fetch(&self, head: Bytes, len: usize) -> Bytes {
        let len = u32::try_from(len).unwrap().to_be_bytes();
        let message = Message::of([&head[..], &len].concat().into());
        self.0.call(NodeId(1), Method::GetShard, message).await.unwrap().body
    }
}
