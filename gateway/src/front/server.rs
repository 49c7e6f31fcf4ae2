//! The HTTP server: connections, TLS, limits; hands each request to its face's pipeline and sends the answer.
//!
//! Promises: heads, bodies, answers, connections and their times are bounded. A request whose framing
//! has two meanings is refused, and its connection closed. On shutdown, requests under way
//! are finished.
//! Must not know: faces, operations, signatures.

mod connection;
mod guard;
mod incoming;
mod outgoing;
mod tls;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, SERVER, TRANSFER_ENCODING};
use http::{HeaderValue, Method};
use http_body_util::BodyExt as _;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::error::Rejection;
use super::faces::Faces;
use super::pipeline::Received;
use super::request_id::RequestId;
use super::response::{Response, ResponseBody};
use super::trace::Trace;
use connection::Connection;
use guard::{Conflict, Guard};
use incoming::{BodyTracker, FromHyper};
use outgoing::Outgoing;

pub use tls::{TlsError, config as tls_config};

/// What an operator may tune of the server.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// Size of a request's head. Bytes.
    pub head_bytes_max: usize,
    /// How long a head may take to arrive; also how long a connection may be idle. Milliseconds.
    pub head_timeout_ms: u64,
    /// How long a TLS handshake may take. Milliseconds.
    pub handshake_timeout_ms: u64,
    /// How long a client may take nothing of an answer. Milliseconds.
    pub send_stall_ms: u64,
    /// Requests at once on one HTTP/2 connection.
    pub h2_streams_max: u32,
    /// How long requests under way may take after a shutdown began. Milliseconds.
    pub shutdown_grace_ms: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            headers_max: 200,
            head_bytes_max: 64 << 10,
            head_timeout_ms: 60_000,
            handshake_timeout_ms: 10_000,
            send_stall_ms: 60_000,
            h2_streams_max: 128,
            shutdown_grace_ms: 30_000,
        }
    }
}

/// The buffer that hyper reads heads and bodies into: one read of a large body fills up to this. Bytes.
const READ_BUFFER_BYTES_MAX: usize = 512 << 10;
/// How long accepting pauses after it failed for want of a resource.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What bytes come and go on.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

struct Server<A> {
    faces: A,
    settings: ServerSettings,
    tls: Option<TlsAcceptor>,
}

/// Serves these faces until `shutdown` is ready, then finishes what is under way.
pub async fn serve(
    listener: TcpListener,
    faces: impl Faces,
    settings: ServerSettings,
    tls: Option<Arc<rustls::ServerConfig>>,
    shutdown: impl Future<Output = ()>,
) {
    let grace = Duration::from_millis(settings.shutdown_grace_ms);
    let permits = Arc::new(Semaphore::new(settings.connections_max));
    let server = Arc::new(Server { faces, settings, tls: tls.map(TlsAcceptor::from) });
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                tokio::spawn(server.clone().connection(stream, peer, graceful.watcher(), permit));
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were cut off at the end of the shutdown's grace");
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

impl<A: Faces> Server<A> {
    /// Serves one connection to its end.
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        watcher: Watcher,
        _permit: OwnedSemaphorePermit,
    ) {
        let Some(acceptor) = &self.tls else {
            return self.http1(stream, peer, watcher).await;
        };
        let limit = Duration::from_millis(self.settings.handshake_timeout_ms);
        match tokio::time::timeout(limit, acceptor.accept(stream)).await {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(tls::H2) => {
                self.http2(stream, peer, watcher).await;
            }
            Ok(Ok(stream)) => self.http1(stream, peer, watcher).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    }

    async fn http1(self: Arc<Self>, stream: impl Stream, peer: SocketAddr, watcher: Watcher) {
        let conflict = Conflict::default();
        let guard = Guard::new(conflict.clone());
        let stall = Duration::from_millis(self.settings.send_stall_ms);
        let io = TokioIo::new(Connection::new(stream, Some(guard), stall));
        let settings = self.settings.clone();
        let service = service_fn(move |request| {
            let (server, conflict) = (self.clone(), conflict.is_set());
            async move { server.request(request, peer, conflict).await }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(settings.head_timeout_ms))
            .max_headers(settings.headers_max)
            .max_header_size(settings.head_bytes_max)
            .max_buf_size(READ_BUFFER_BYTES_MAX)
            .half_close(true)
            .serve_connection(io, service);
        note_end(watcher.watch(connection).await, peer);
    }

    async fn http2(self: Arc<Self>, stream: impl Stream, peer: SocketAddr, watcher: Watcher) {
        let stall = Duration::from_millis(self.settings.send_stall_ms);
        let io = TokioIo::new(Connection::new(stream, None, stall));
        let settings = self.settings.clone();
        let service = service_fn(move |request| {
            let server = self.clone();
            async move { server.request(request, peer, false).await }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(settings.h2_streams_max)
            .max_header_list_size(u32::try_from(settings.head_bytes_max).unwrap_or(u32::MAX))
            .keep_alive_interval(Duration::from_millis(settings.head_timeout_ms))
            .serve_connection(io, service);
        note_end(watcher.watch(connection).await, peer);
    }

    async fn request(
        &self,
        request: http::Request<hyper::body::Incoming>,
        peer: SocketAddr,
        conflict: bool,
    ) -> Result<http::Response<Outgoing>, Infallible> {
        let (head, body) = request.into_parts();
        let env = self.faces.env();
        let id = RequestId::from_random(env.random_bytes());
        let mut trace = Trace::new(self.faces.metrics().clone(), env.clock.clone(), id, &head, peer);
        let is_head = head.method == Method::HEAD;
        // See `guard`: after such a request a connection is never used again.
        let encoded = head.headers.contains_key(TRANSFER_ENCODING);
        let expects = head.headers.contains_key(EXPECT);
        let tracker = BodyTracker::default();
        let body = FromHyper::new(body, tracker.clone()).boxed_unsync();
        let answer = if conflict {
            drop(body);
            self.faces.refuse(Rejection::FramedTwice, id, &mut trace)
        } else {
            self.faces.answer(Received { head, body, id }, &mut trace).await
        };
        // A body that still waits to be asked for is not asked for now. Nor is the connection used again
        // where none was asked for because it is empty: botocore takes the status of an answer that came
        // without `100 Continue` for that of the next one too, whatever that is.
        let unasked = expects && tracker.received_bytes() == 0;
        let at_end = !unasked && !conflict && tracker.drain().await;
        trace.received_bytes = tracker.received_bytes();
        let mut response = respond(answer, is_head, trace);
        if encoded || !at_end {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// The respond stage: what every answer carries, and nothing of a body for HEAD.
fn respond(answer: Response, is_head: bool, mut trace: Trace) -> http::Response<Outgoing> {
    let Response { status, mut headers, mut body } = answer;
    if is_head {
        match std::mem::take(&mut body) {
            ResponseBody::Empty => {}
            ResponseBody::Bytes(_) => {
                headers.remove(CONTENT_TYPE);
            }
            ResponseBody::Stream { len, .. } => {
                headers.insert(CONTENT_LENGTH, len.into());
            }
        }
    }
    headers.insert(SERVER, HeaderValue::from_static("Couronne"));
    trace.status(status);
    let mut response = http::Response::new(Outgoing::new(body, trace));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn note_end(ended: hyper::Result<()>, peer: SocketAddr) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended with an error");
    }
}
