//! Requests over HTTP/2: the same that go over HTTP/1, as hyper's client takes them.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::client::Ask;
use crate::front::tests::encrypted;
use crate::front::tests::wire::Answer;

/// A connection.
pub(super) struct Http2(SendRequest<Full<bytes::Bytes>>);

impl Http2 {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = encrypted::connect(address, b"h2").await;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub(super) async fn send(&self, ask: &Ask) -> Answer {
        // HTTP/2 frames bodies itself.
        let ask = Ask { with_length: true, ..ask.clone() };
        let (head, body) = ask.head_and_body();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
        let uri = format!("https://{}{target}", ask.host);
        let mut request = http::Request::builder().method(ask.method.as_str()).uri(uri);
        for (name, value) in lines.filter_map(|line| line.split_once(": ")).filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        let mut sender = self.0.clone();
        let answer = sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: body.collect().await.unwrap().to_bytes().to_vec(),
            continued: false,
        }
    }
}
