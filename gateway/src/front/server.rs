//! The HTTP server: connections, TLS, limits; hands each request to its face's pipeline and sends the answer.
//!
//! Promises: heads, bodies, answers, connections and their times are bounded; connections and requests under way are
//! shared fairly. A request whose framing has two meanings is refused, and its connection closed. On shutdown, requests
//! under way are finished.
//! Must not know: faces, operations, signatures.

mod connection;
mod frame_guard;
mod guard;
mod incoming;
mod outgoing;
mod places;
mod progress;
mod read_ahead;
mod refused;
mod settings;
mod streams;
mod tls;
mod unparsed;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use couronne_base::fair::{Cut, OnBehalf};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, SERVER, TRANSFER_ENCODING};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::error::Rejection;
use super::faces::Faces;
use super::limits::under_way::{Requests, UnderWay};
use super::pipeline::Received;
use super::request::Origin;
use super::request_id::RequestId;
use super::response::{Response, ResponseBody};
use super::trace::{Came, Trace};
use crate::audit::Audit;
use connection::{Connection, Onlooker};
use frame_guard::FrameGuard;
use guard::{Flaws, Guard};
use incoming::{BodyTracker, FromHyper};
use outgoing::{Answered, Outgoing};
use places::{ConnectionPlace, Places};
use progress::Progress;
use read_ahead::ReadAhead;
use streams::Streams;

pub use settings::ServerSettings;
pub use tls::{TlsError, config as tls_config};

/// What hyper gathers of a body before it writes, so that a large one takes few system calls. Bytes.
const WRITE_BYTES: usize = 512 << 10;
/// How much of an answer a stream takes before its client has room for it, beside the last piece given. Bytes.
const H2_SEND_BUFFER_BYTES: usize = 256 << 10;
/// How long accepting pauses after it failed for want of a resource.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What bytes come and go on.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

struct Server<A> {
    faces: A,
    settings: ServerSettings,
    tls: Option<TlsAcceptor>,
    places: Places,
    /// The requests under way.
    requests: Requests,
    read_ahead: ReadAhead,
}

/// What a request comes on.
struct Link {
    peer: SocketAddr,
    place: ConnectionPlace,
    progress: Progress,
    /// Why no request of the connection is served.
    flawed: Option<Rejection>,
    is_h2: bool,
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
    let places = Places::new(settings.connections_max, settings.peer_connections_max);
    let requests = Requests::new(settings.requests_max, settings.request_patience());
    let read_ahead = ReadAhead::new(settings.receive_buffer_bytes_max);
    let server = Arc::new(Server { faces, settings, tls: tls.map(TlsAcceptor::from), places, requests, read_ahead });
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match server.places.take(peer, &Cut::default()) {
                Ok(place) => {
                    tokio::spawn(server.clone().connection(stream, peer, graceful.watcher(), place));
                }
                Err(_) => tracing::debug!(%peer, "no place is left for a connection"),
            },
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

impl<A: Faces> Server<A> {
    /// Serves one connection to its end.
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        watcher: Watcher,
        place: ConnectionPlace,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            return tracing::debug!(%peer, %error, "a connection ended at once");
        }
        let Some(acceptor) = &self.tls else {
            return self.http1(stream, peer, watcher, place).await;
        };
        let limit = Duration::from_millis(self.settings.handshake_timeout_ms);
        let accepted = tokio::select! {
            biased;
            () = place.cut().wait() => return tracing::debug!(%peer, "a TLS handshake gave way to another connection"),
            accepted = tokio::time::timeout(limit, acceptor.accept(stream)) => accepted,
        };
        match accepted {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(tls::H2) => {
                self.http2(stream, peer, watcher, place).await;
            }
            Ok(Ok(stream)) => self.http1(stream, peer, watcher, place).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    }

    async fn http1(self: Arc<Self>, stream: impl Stream, peer: SocketAddr, watcher: Watcher, place: ConnectionPlace) {
        let flaws = Flaws::default();
        let heads = Onlooker::Heads(Guard::new(flaws.clone()));
        let reads = self.read_ahead.reads(place.peer());
        let progress = Progress::new(place.cut().clone());
        let connection = Connection::new(stream, heads, Some(reads), place.clone(), self.settings.send_bounds());
        let server = self.clone();
        let wording = move |status| server.unparsed(status, peer);
        let io = TokioIo::new(connection.with(progress.clone(), Box::new(wording)));
        let settings = self.settings.clone();
        let beside = progress.clone();
        let service = service_fn(move |request| {
            let (place, progress, flawed) = (place.clone(), progress.clone(), flaws.rejection());
            let (server, link) = (self.clone(), Link { peer, place, progress, flawed, is_h2: false });
            async move { server.request(request, link).await }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(settings.head_timeout_ms))
            .max_headers(settings.headers_max)
            .max_header_size(settings.head_bytes_max)
            .max_buf_size(WRITE_BYTES)
            .half_close(true)
            .serve_connection(io, service);
        tokio::select! {
            biased;
            ended = watcher.watch(connection) => note_end(ended, peer),
            () = beside.cut_off() => tracing::debug!(%peer, "a connection gave way to others"),
        }
    }

    /// The answer to a head that is none, or too large, which hyper refuses with this status.
    fn unparsed(&self, status: StatusCode, peer: SocketAddr) -> Response {
        let env = self.faces.env();
        let id = RequestId::from_random(env.random_bytes());
        let (head, ()) = http::Request::new(()).into_parts();
        let origin = Origin { address: Some(peer.ip().to_canonical()), is_secure: self.tls.is_some() };
        // What is no request has no event.
        let came = Came { peer, origin, audit: &Audit::off() };
        let mut trace = Trace::new(self.faces.metrics().clone(), env.clock.clone(), id, &head, came);
        let is_large = status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE || status == StatusCode::URI_TOO_LONG;
        let rejection = if is_large { Rejection::TooManyHeaders } else { Rejection::MalformedHead };
        let answer = self.faces.refuse(rejection, id, &mut trace);
        trace.status(answer.status);
        answer
    }

    async fn http2(self: Arc<Self>, stream: impl Stream, peer: SocketAddr, watcher: Watcher, place: ConnectionPlace) {
        let bounds = self.settings.send_bounds();
        let frames = Onlooker::Frames(FrameGuard::new());
        let io = TokioIo::new(Connection::new(stream, frames, None, place.clone(), bounds));
        let (windows, _memory) = self.read_ahead.windows(place.peer());
        let settings = self.settings.clone();
        let cut = place.cut().clone();
        let service = service_fn(move |request| {
            let (server, place) = (self.clone(), place.clone());
            // Apart from its stream, which may have to wait for its client once this is done, and large.
            Box::pin(async move {
                let progress = Streams::progress();
                server.request(request, Link { peer, place, progress, flawed: None, is_h2: true }).await
            })
        });
        let connection = http2::Builder::new(Streams { bounds })
            .timer(TokioTimer::new())
            .max_concurrent_streams(settings.h2_streams_max)
            .max_header_list_size(u32::try_from(settings.head_bytes_max).unwrap_or(u32::MAX))
            .initial_connection_window_size(windows.connection)
            .initial_stream_window_size(windows.stream)
            .max_send_buf_size(H2_SEND_BUFFER_BYTES)
            .keep_alive_interval(Duration::from_millis(settings.head_timeout_ms))
            .serve_connection(io, service);
        tokio::select! {
            biased;
            ended = watcher.watch(connection) => note_end(ended, peer),
            () = cut.wait() => tracing::debug!(%peer, "a connection gave way to others"),
        }
    }

    async fn request(
        &self,
        request: http::Request<hyper::body::Incoming>,
        link: Link,
    ) -> Result<http::Response<Outgoing>, Infallible> {
        let Link { peer, place, progress, flawed, is_h2 } = link;
        let busy = place.begin();
        progress.receive();
        let deadline = Instant::now() + Duration::from_secs(self.settings.request_time_max_s);
        let (head, body) = request.into_parts();
        let env = self.faces.env();
        let id = RequestId::from_random(env.random_bytes());
        let origin = Origin::new(peer, self.tls.is_some(), &head.headers, &self.settings.trusted_proxies);
        let came = Came { peer, origin, audit: self.faces.audit() };
        let mut trace = Trace::new(self.faces.metrics().clone(), env.clock.clone(), id, &head, came);
        let is_head = head.method == Method::HEAD;
        // See `guard`: after such a request a connection is never used again.
        let encoded = head.headers.contains_key(TRANSFER_ENCODING);
        let expects = head.headers.contains_key(EXPECT);
        let mut under_way = None;
        let tracker = BodyTracker::default();
        let body = FromHyper::new(body, tracker.clone()).boxed_unsync();
        let is_flawed = flawed.is_some();
        let refused = flawed.or_else(|| refused::rejection(&head, self.settings.headers_max));
        let answer = if let Some(rejection) = refused {
            drop((head, body));
            self.faces.refuse(rejection, id, &mut trace)
        } else {
            let behalf = OnBehalf::new(progress.cut().clone(), place.peer().clone());
            let begun = UnderWay::begin(&self.requests, &behalf.peer, &behalf.cut, place.claim());
            under_way = begun.as_ref().ok().cloned();
            // The answers of streams that nobody reads have no bound but that of places.
            if is_h2 && begun.is_err() {
                progress.refuse();
            }
            let received = Received { head, body, id, origin, under_way: begun, deadline };
            behalf.scope(self.faces.answer(received, &mut trace)).await
        };
        // A body that still waits to be asked for is not asked for now. Nor is the connection used again
        // where none was asked for because it is empty: botocore takes the status of an answer that came
        // without `100 Continue` for that of the next one too, whatever that is.
        let unasked = expects && tracker.received_bytes() == 0;
        // A client that was cut is not waited for either: its place may be another's already.
        let is_cut = || progress.cut().is_cut();
        let at_end = !unasked && !is_flawed && !is_cut() && tracker.drain().await && !is_cut();
        if !at_end {
            progress.answer_early();
        }
        trace.received_bytes = tracker.received_bytes();
        let request = Answered { progress, under_way, deadline, is_h2, _busy: busy };
        let mut response = respond(answer, is_head, trace, request);
        if (encoded || !at_end) && !is_h2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// The respond stage: what every answer carries, and nothing of a body for HEAD.
fn respond(answer: Response, is_head: bool, mut trace: Trace, request: Answered) -> http::Response<Outgoing> {
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
    let mut response = http::Response::new(Outgoing::new(body, trace, request));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn note_end(ended: hyper::Result<()>, peer: SocketAddr) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended with an error");
    }
}
