//! The answering half: connections of peers, and their end.
//!
//! Promises: handshakes, connections, unjoined peers and calls are bounded in number and time, each apart: whatever unjoined
//! processes do, members get in, and their calls have a budget of their own. A peer
//! whose certificate is trusted no more is not heard any more, on connections that it has too. A stop answers what is under way, within a
//! bound. Each call has a task of its own, which goes on when its
//! connection does not: what was begun is finished.
//! Must not know: what messages mean.

mod places;
mod serving;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::places::{Place, Places};
use self::serving::{Serving, UNJOINED_BYTES_MAX};
use super::link::{self, Budget, End};
use super::settings::NetSettings;
use super::tls::{Tls, TlsStream, accept as accept_tls};
use crate::transport::{Peer, Service};
use couronne_cluster::Role;

/// How long accepting pauses after it failed for want of a resource.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A peer's certificate.
type Certificate = CertificateDer<'static>;

struct Server {
    tls: Arc<Tls>,
    service: Arc<dyn Service>,
    settings: NetSettings,
    /// The calls of all members.
    budget: Arc<Budget>,
    /// The calls of all unjoined processes.
    unjoined_budget: Arc<Budget>,
    /// Connections of members.
    members: Arc<Semaphore>,
    /// Connections that are not greeted yet.
    handshakes: Arc<Places>,
    /// Connections of unjoined processes.
    unjoined: Arc<Places>,
}

/// Serves peers until `stop` is ready, then finishes what is under way.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<Tls>,
    service: Arc<dyn Service>,
    settings: NetSettings,
    stop: impl Future<Output = ()>,
) {
    let members = Arc::new(Semaphore::new(settings.connections_max));
    let (handshakes, unjoined) = (Places::new(settings.handshakes_max), Places::new(settings.unjoined_max));
    let grace = Duration::from_millis(settings.drain_ms_max);
    let budget = Budget::new(settings.served_max, settings.served_bytes_max);
    let unjoined_budget = Budget::new(settings.unjoined_max, settings.unjoined_max.saturating_mul(UNJOINED_BYTES_MAX));
    let server = Arc::new(Server { tls, service, settings, budget, unjoined_budget, members, handshakes, unjoined });
    let (tell, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((socket, from)) => {
                let place = server.handshakes.take();
                connections.spawn(server.clone().connection(socket, from, stopping.clone(), place));
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

impl Server {
    /// Serves one connection to its end.
    async fn connection(
        self: Arc<Self>,
        socket: TcpStream,
        from: SocketAddr,
        stopping: watch::Receiver<bool>,
        mut place: Place,
    ) {
        let mut gone = stopping.clone();
        let greeting = place.hold(timeout(self.settings.handshake_timeout(), self.greet(socket)));
        let greeted = tokio::select! {
            greeted = greeting => greeted,
            _ = gone.wait_for(|stopping| *stopping) => return,
        };
        let (mut stream, peer, certificate) = match greeted {
            Some(Ok(Ok(greeted))) => greeted,
            Some(Ok(Err(error))) => return tracing::debug!(%from, %error, "a handshake failed"),
            Some(Err(_)) => return tracing::debug!(%from, "a handshake took too long"),
            None => return tracing::debug!(%from, "a handshake gave way to newer ones"),
        };
        let end = if peer.role == Role::Unjoined {
            // A place for those alone; that for handshakes is free again.
            place = self.unjoined.take();
            let limit = Duration::from_millis(self.settings.unjoined_ms_max);
            match place.hold(timeout(limit, self.serve(&mut stream, peer, None, stopping))).await {
                Some(served) => served.unwrap_or(End::Cut("an unjoined process stayed too long")),
                None => End::Cut("an unjoined process gave way to newer ones"),
            }
        } else {
            drop(place);
            match self.members.clone().try_acquire_owned() {
                Ok(_permit) => self.serve(&mut stream, peer, certificate, stopping).await,
                Err(_) => End::Cut("too many members are connected"),
            }
        };
        tracing::debug!(%from, node = %peer.node, role = ?peer.role, %end, "a peer's connection ended");
        link::say_goodbye(&mut stream).await;
    }

    /// Greets a process; who it is, and its certificate if it has one.
    async fn greet(&self, socket: TcpStream) -> Result<(TlsStream<TcpStream>, Peer, Option<Certificate>), End> {
        socket.set_nodelay(true)?;
        let (mut stream, certificates) = accept_tls(socket, self.tls.server(), &self.settings).await?;
        let peer = self.tls.peer(certificates.as_deref()).map_err(io::Error::other)?;
        link::greet(&mut stream).await?;
        Ok((stream, peer, certificates.and_then(|all| all.into_iter().next())))
    }

    /// Serves a peer for as long as its certificate is trusted.
    async fn serve(
        &self,
        stream: &mut TlsStream<TcpStream>,
        peer: Peer,
        certificate: Option<Certificate>,
        mut stopping: watch::Receiver<bool>,
    ) -> End {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let queue = (sender.downgrade(), &mut receiver);
        let all = if peer.role == Role::Unjoined { &self.unjoined_budget } else { &self.budget };
        let serving = Serving::new(peer, self.service.clone(), &self.settings, all.clone(), sender);
        let progress = stream.progress();
        let stopped = async {
            // A server that is gone without a word has stopped too.
            let _ = stopping.wait_for(|stopping| *stopping).await;
            serving.stop().await;
        };
        let distrusted = async {
            self.until_distrusted(certificate).await;
            // What it asked before is answered; nothing that it asks from now on is heard.
            let grace = Duration::from_millis(self.settings.drain_ms_max);
            let _ = timeout(grace, serving.stop()).await;
        };
        tokio::select! {
            end = link::drive(stream, &serving, &progress, queue, &self.settings) => end,
            () = stopped => End::Cut("the process is stopping"),
            () = distrusted => End::Cut("the peer's certificate is trusted no more"),
        }
    }

    /// Returns when a certificate is trusted no more.
    async fn until_distrusted(&self, certificate: Option<Certificate>) {
        let mut changes = self.tls.changes();
        loop {
            drop(changes.borrow_and_update());
            if certificate.as_ref().is_some_and(|certificate| !self.tls.trusts(certificate)) {
                return;
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}
