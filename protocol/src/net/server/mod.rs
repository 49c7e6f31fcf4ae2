//! The answering half: connections of peers, and their end.
//!
//! Promises: handshakes, connections, unjoined peers and calls are bounded in number and time, each apart: whatever unjoined
//! processes do, members get in, and their calls have a budget of their own, as have their connections; of both no member
//! takes what others need. A peer whose certificate is trusted no more, or that was expelled, is not heard any more, on
//! connections that it has too. A stop answers what is under way, within a bound. Each call has a task of its own, which
//! goes on when its connection does not: what was begun is finished.
//! Must not know: what messages mean.

mod places;
mod serving;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::places::{Place, Places};
use self::serving::{Budgets, Serving, UNJOINED_BYTES_MAX};
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
    budgets: Budgets,
    /// The calls of all unjoined processes.
    unjoined_budgets: Budgets,
    /// Connections of members.
    members: Arc<Budget>,
    /// Connections that are not greeted yet.
    handshakes: Arc<Places>,
    /// Connections of unjoined processes, and of those that are no members yet.
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
    let members = Budget::shared(settings.connections_max, 0, settings.member_connections_max);
    let (handshakes, unjoined) = (Places::new(settings.handshakes_max), Places::new(settings.unjoined_max));
    let grace = Duration::from_millis(settings.drain_ms_max);
    let budgets = Budgets {
        general: Budget::shared(settings.served_max, settings.served_bytes_max, settings.served_max),
        reserve: Budget::shared(settings.reserved_max, settings.reserved_bytes_max, settings.reserved_max),
    };
    let of_unjoined = Budget::new(settings.unjoined_max, settings.unjoined_max.saturating_mul(UNJOINED_BYTES_MAX));
    let unjoined_budgets = Budgets { general: Arc::clone(&of_unjoined), reserve: of_unjoined };
    let server = Arc::new(Server { tls, service, settings, budgets, unjoined_budgets, members, handshakes, unjoined });
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
        let all = self.budgets_of(peer);
        let end = if peer.role == Role::Unjoined || all.is_none() {
            // A place for those alone; that for handshakes is free again.
            place = self.unjoined.take();
            let limit = Duration::from_millis(self.settings.unjoined_ms_max);
            match place.hold(timeout(limit, self.serve(&mut stream, peer, certificate, all, stopping))).await {
                Some(served) => served.unwrap_or(End::Cut("an unjoined process stayed too long")),
                None => End::Cut("an unjoined process gave way to newer ones"),
            }
        } else {
            drop(place);
            match self.members.take(peer.node, 0) {
                Some(_place) => self.serve(&mut stream, peer, certificate, all, stopping).await,
                None => End::Cut("too many connections of this member, or of all"),
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

    /// What the calls of a peer take; `None`: it is no member yet, and nothing that it calls is heard.
    fn budgets_of(&self, peer: Peer) -> Option<Budgets> {
        match peer.role {
            Role::Unjoined => Some(self.unjoined_budgets.clone()),
            Role::StorageNode | Role::Gateway => self.tls.is_member(peer).then(|| self.budgets.clone()),
        }
    }

    /// Serves a peer for as long as its certificate is trusted, and it is a member or is not one.
    async fn serve(
        &self,
        stream: &mut TlsStream<TcpStream>,
        peer: Peer,
        certificate: Option<Certificate>,
        all: Option<Budgets>,
        mut stopping: watch::Receiver<bool>,
    ) -> End {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let queue = (sender.downgrade(), &mut receiver);
        let was_heard = all.is_some();
        let serving = Serving::new(peer, self.service.clone(), &self.settings, all, sender);
        let progress = stream.progress();
        let stopped = async {
            // A server that is gone without a word has stopped too.
            let _ = stopping.wait_for(|stopping| *stopping).await;
            serving.stop().await;
        };
        let distrusted = async {
            self.until_distrusted(peer, certificate, was_heard).await;
            if self.tls.is_expelled(peer) {
                return;
            }
            // What it asked before is answered; nothing that it asks from now on is heard.
            let grace = Duration::from_millis(self.settings.drain_ms_max);
            let _ = timeout(grace, serving.stop()).await;
        };
        tokio::select! {
            end = link::drive(stream, &serving, &progress, queue, &self.settings) => end,
            () = stopped => End::Cut("the process is stopping"),
            () = distrusted => End::Cut("the peer's certificate is trusted no more, or it became a member or was expelled"),
        }
    }

    /// Returns when a certificate is trusted no more, or its holder became a member or is one no more.
    async fn until_distrusted(&self, peer: Peer, certificate: Option<Certificate>, was_heard: bool) {
        let mut changes = self.tls.changes();
        loop {
            drop(changes.borrow_and_update());
            let is_trusted = certificate.as_ref().is_none_or(|certificate| self.tls.trusts(certificate));
            if !is_trusted || self.budgets_of(peer).is_some() != was_heard {
                return;
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}
