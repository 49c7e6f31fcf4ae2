//! Requests over HTTP/2: the same that go over HTTP/1, as hyper's client takes them.

use std::convert::Infallible;
use std::net::SocketAddr;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::client::Ask;
use crate::front::tests::encrypted;
use crate::front::tests::wire::Answer;

type Sent = UnsyncBoxBody<bytes::Bytes, Infallible>;

/// A connection.
pub(super) struct Http2(SendRequest<Sent>);

impl Http2 {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = encrypted::connect(address, b"h2").await;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub(super) async fn send(&self, ask: &Ask) -> Answer {
        // HTTP/2 frames bodies itself.
        let (head, body) = Ask { with_length: true, ..ask.clone() }.head_and_body();
        let body: Sent = if ask.with_length {
            Full::new(body.into()).boxed_unsync()
        } else {
            StreamBody::new(stream::iter([Ok(Frame::data(body.into()))])).boxed_unsync()
        };
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
        let uri = format!("https://{}{target}", ask.host);
        let mut request = http::Request::builder().method(ask.method.as_str()).uri(uri);
        let is_sent = |name: &str| name != "host" && (ask.with_length || name != "content-length");
        for (name, value) in lines.filter_map(|line| line.split_once(": ")).filter(|(name, _)| is_sent(name)) {
            request = request.header(name, value);
        }
        let mut sender = self.0.clone();
        let answer = sender.send_request(request.body(body).unwrap()).await.unwrap();
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
