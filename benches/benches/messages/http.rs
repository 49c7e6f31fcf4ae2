//! The same over hyper: the head in a header (as text it would have to be), the body as the body,
//! received into an aligned buffer on both sides as drives and gateways need it.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::{BufMut as _, Bytes};
use couronne_base::buffer::AlignedBuffer;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::Way;
use crate::cluster::Cluster;

/// As much as our own connections read at once. Bytes.
const READ_BYTES: usize = 256 << 10;
/// So much may be under way on an HTTP/2 connection, and on a stream of it. Bytes.
const WINDOW_BYTES: u32 = 16 << 20;
/// The frames of HTTP/2. Bytes.
const FRAME_BYTES: u32 = 256 << 10;

async fn received(mut body: Incoming) -> Bytes {
    let len = body.size_hint().exact().unwrap_or(0);
    let mut buffer = AlignedBuffer::with_capacity(len.try_into().unwrap());
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.unwrap().into_data() {
            buffer.put_slice(&data);
        }
    }
    buffer.freeze()
}

async fn served(request: Request<Incoming>, large: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    assert!(request.headers().contains_key("x-head"));
    let len = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
    drop(received(request.into_body()).await);
    Ok(Response::new(Full::new(large.slice(..len))))
}

/// Serves HTTP/1.1 or HTTP/2 and returns the address.
async fn start(cluster: &Cluster, protocol: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let acceptor = TlsAcceptor::from(Arc::new(cluster.server(protocol)));
    let large = Bytes::from(vec![7; 1 << 20]);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            let (acceptor, large) = (acceptor.clone(), large.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(BufReader::with_capacity(READ_BYTES, socket)).await.unwrap();
                stream.get_mut().1.set_buffer_limit(Some(READ_BYTES));
                let service = service_fn(move |request| served(request, large.clone()));
                let io = TokioIo::new(stream);
                if protocol == "h2" {
                    let builder = &mut hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    builder.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
                    builder.max_frame_size(FRAME_BYTES).max_concurrent_streams(1000);
                    let _ = builder.serve_connection(io, service).await;
                } else {
                    let builder = &mut hyper::server::conn::http1::Builder::new();
                    let _ = builder.max_buf_size(READ_BYTES * 2).serve_connection(io, service).await;
                }
            });
        }
    });
    address
}

type ClientIo = TokioIo<tokio_rustls::client::TlsStream<BufReader<TcpStream>>>;

async fn connect(connector: &TlsConnector, address: &str) -> ClientIo {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let socket = BufReader::with_capacity(READ_BYTES, socket);
    let mut stream = connector.connect(Cluster::server_name(), socket).await.unwrap();
    stream.get_mut().1.set_buffer_limit(Some(READ_BYTES));
    TokioIo::new(stream)
}

fn request(head: Bytes, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    let method = if body.is_empty() { Method::GET } else { Method::PUT };
    let request = Request::builder().method(method).uri(path).header("host", "node");
    request.header("x-head", head.as_ref()).body(Full::new(body)).unwrap()
}

/// A pool of connections, each with one call at a time.
pub(crate) struct Http1 {
    address: String,
    connector: TlsConnector,
    idle: Mutex<Vec<http1::SendRequest<Full<Bytes>>>>,
}

impl Http1 {
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let connector = TlsConnector::from(Arc::new(cluster.client("http/1.1")));
        Self { address: start(cluster, "http/1.1").await, connector, idle: Mutex::default() }
    }

    async fn call(&self, request: Request<Full<Bytes>>) -> Bytes {
        let idle = self.idle.lock().unwrap().pop();
        let mut sender = match idle {
            Some(sender) => sender,
            None => {
                let io = connect(&self.connector, &self.address).await;
                let builder = &mut http1::Builder::new();
                let (sender, connection) = builder.max_buf_size(READ_BYTES * 2).handshake(io).await.unwrap();
                tokio::spawn(connection);
                sender
            }
        };
        sender.ready().await.unwrap();
        let body = received(sender.send_request(request).await.unwrap().into_body()).await;
        self.idle.lock().unwrap().push(sender);
        body
    }
}

#[async_trait]
impl Way for Http1 {
    async fn send(&self, head: Bytes, body: Bytes) {
        self.call(request(head, "/0", body)).await;
    }

    async fn fetch(&self, head: Bytes, len: usize) -> Bytes {
        self.call(request(head, &format!("/{len}"), Bytes::new())).await
    }
}

/// A few connections with many calls on each.
pub(crate) struct Http2 {
    senders: Vec<http2::SendRequest<Full<Bytes>>>,
    next: AtomicUsize,
}

impl Http2 {
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let connector = TlsConnector::from(Arc::new(cluster.client("h2")));
        let address = start(cluster, "h2").await;
        let mut senders = Vec::new();
        for _ in 0..4 {
            let io = connect(&connector, &address).await;
            let builder = &mut http2::Builder::new(TokioExecutor::new());
            builder.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
            builder.max_frame_size(FRAME_BYTES);
            let (sender, connection) = builder.handshake(io).await.unwrap();
            tokio::spawn(connection);
            senders.push(sender);
        }
        Self { senders, next: AtomicUsize::new(0) }
    }

    async fn call(&self, mut request: Request<Full<Bytes>>) -> Bytes {
        let uri = format!("https://node{}", request.uri().path());
        *request.uri_mut() = uri.parse().unwrap();
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.senders.len();
        let mut sender = self.senders.get(at).unwrap().clone();
        sender.ready().await.unwrap();
        received(sender.send_request(request).await.unwrap().into_body()).await
    }
}

#[async_trait]
impl Way for Http2 {
    async fn send(&self, head: Bytes, body: Bytes) {
        self.call(request(head, "/0", body)).await;
    }

    async fn fetch(&self, head: Bytes, len: usize) -> Bytes {
        self.call(request(head, &format!("/{len}"), Bytes::new())).await
    }
}
