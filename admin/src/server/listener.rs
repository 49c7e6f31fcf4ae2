//! The admin listener's connections: HTTP/1.1, over TLS if there is a certificate, few and small.
//!
//! Promises: a connection that sends nothing is closed after ten seconds, in its handshake too; one whose client does not take its answers
//! gives way to others; requests that run at shutdown are finished.
//! Must not know: what the requests mean.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::AdminApi;
use super::connection_limit::{ConnectionLimit, ConnectionPermit};

/// Connections at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open requests get to finish.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Serves until `stop` says so; over TLS alone, if `tls` is given.
pub async fn serve(
    listener: TcpListener,
    api: Arc<AdminApi>,
    tls: Option<Arc<ServerConfig>>,
    mut stop: watch::Receiver<bool>,
) {
    let tls = tls.map(TlsAcceptor::from);
    let graceful = GracefulShutdown::new();
    let places = ConnectionLimit::new(CONNECTIONS_MAX);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accepting an admin connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let place = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            place = places.take() => place,
        };
        let Some(place) = place else { break };
        let (api, tls, watcher) = (Arc::clone(&api), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let place = Arc::new(place);
            match tls {
                None => connection(api, stream, peer, place, watcher).await,
                Some(tls) => match encrypted(&tls, stream, &place).await {
                    Some(stream) => connection(api, stream, peer, place, watcher).await,
                    None => tracing::debug!(%peer, "a TLS handshake of an admin connection came to nothing"),
                },
            }
        });
    }
    if tokio::time::timeout(SHUTDOWN_GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("admin requests did not finish in time");
    }
}

/// The connection over TLS, unless the handshake fails, takes too long, or loses its place to another.
async fn encrypted(tls: &TlsAcceptor, stream: TcpStream, place: &ConnectionPermit) -> Option<TlsStream<TcpStream>> {
    tokio::select! {
        biased;
        accepted = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)) => accepted.ok()?.ok(),
        () = place.lost() => None,
    }
}

/// Serves one connection to its end, or until it loses its place.
async fn connection(
    api: Arc<AdminApi>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    place: Arc<ConnectionPermit>,
    watcher: Watcher,
) {
    let of_requests = Arc::clone(&place);
    let service = service_fn(move |request| {
        let (api, work) = (Arc::clone(&api), of_requests.work());
        async move {
            let answer = api.answer(request, peer).await;
            drop(work);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let served = tokio::select! {
        biased;
        served = watcher.watch(connection) => served,
        () = place.lost() => {
            tracing::debug!(%peer, "an admin connection whose client does not go on is closed");
            return;
        }
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "serving an admin connection");
    }
}
