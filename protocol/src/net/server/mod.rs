//! The answering half: connections of peers, and their end.
//!
//! Promises: handshakes, connections, unjoined peers and calls are bounded in number and time; a stop
//! answers what is under way, within a bound. Each call has a task of its own, which goes on when its
//! connection does not: what was begun is finished.
//! Must not know: what messages mean.

mod serving;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::serving::Serving;
use super::link::{self, Budget, End};
use super::settings::NetSettings;
use super::tls::{Tls, TlsStream, accept as accept_tls};
use crate::transport::{Peer, Service};
use couronne_cluster::Role;

/// How long accepting pauses after it failed for want of a resource.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

struct Server {
    tls: Arc<Tls>,
    service: Arc<dyn Service>,
    settings: NetSettings,
    /// The calls of all connections.
    budget: Arc<Budget>,
    unjoined: Semaphore,
}

/// Serves peers until `stop` is ready, then finishes what is under way.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<Tls>,
    service: Arc<dyn Service>,
    settings: NetSettings,
    stop: impl Future<Output = ()>,
) {
    let permits = Arc::new(Semaphore::new(settings.connections_max));
    let grace = Duration::from_millis(settings.drain_ms_max);
    let budget = Budget::new(settings.served_max, settings.served_bytes_max);
    let unjoined = Semaphore::new(settings.unjoined_max);
    let server = Arc::new(Server { tls, service, settings, budget, unjoined });
    let (tell, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            () = &mut stop => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((socket, from, permit)) => {
                connections.spawn(server.clone().connection(socket, from, stopping.clone(), permit));
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tell.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(grace, all).await.is_err() {
        tracing::warn!("calls of peers were cut off at the end of the stop's grace");
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (socket, from) = listener.accept().await?;
    Ok((socket, from, permit))
}

impl Server {
    /// Serves one connection to its end.
    async fn connection(
        self: Arc<Self>,
        socket: TcpStream,
        from: SocketAddr,
        stopping: watch::Receiver<bool>,
        _permit: OwnedSemaphorePermit,
    ) {
        let mut gone = stopping.clone();
        let greeted = tokio::select! {
            greeted = timeout(self.settings.handshake_timeout(), self.greet(socket)) => greeted,
            _ = gone.wait_for(|stopping| *stopping) => return,
        };
        let (mut stream, peer) = match greeted {
            Ok(Ok(greeted)) => greeted,
            Ok(Err(error)) => return tracing::debug!(%from, %error, "a handshake failed"),
            Err(_) => return tracing::debug!(%from, "a handshake took too long"),
        };
        let end = if peer.role == Role::Unjoined {
            let Ok(_permit) = self.unjoined.try_acquire() else {
                return tracing::debug!(%from, "too many unjoined processes are connected");
            };
            let limit = Duration::from_millis(self.settings.unjoined_ms_max);
            let served = timeout(limit, self.serve(&mut stream, peer, stopping)).await;
            served.unwrap_or(End::Cut("an unjoined process stayed too long"))
        } else {
            self.serve(&mut stream, peer, stopping).await
        };
        tracing::debug!(%from, node = %peer.node, role = ?peer.role, %end, "a peer's connection ended");
        link::say_goodbye(&mut stream).await;
    }

    async fn greet(&self, socket: TcpStream) -> Result<(TlsStream<TcpStream>, Peer), End> {
        socket.set_nodelay(true)?;
        let (mut stream, certificates) = accept_tls(socket, self.tls.server(), &self.settings).await?;
        let peer = self.tls.peer(certificates.as_deref()).map_err(io::Error::other)?;
        link::greet(&mut stream).await?;
        Ok((stream, peer))
    }

    async fn serve(&self, stream: &mut TlsStream<TcpStream>, peer: Peer, mut stopping: watch::Receiver<bool>) -> End {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let queue = (sender.downgrade(), &mut receiver);
        let serving = Serving::new(peer, self.service.clone(), &self.settings, self.budget.clone(), sender);
        let progress = stream.progress();
        let stopped = async {
            // A server that is gone without a word has stopped too.
            let _ = stopping.wait_for(|stopping| *stopping).await;
            serving.stop().await;
        };
        tokio::select! {
            end = link::drive(stream, &serving, &progress, queue, &self.settings) => end,
            () = stopped => End::Cut("the process is stopping"),
        }
    }
}
