//! What one peer asks on one connection: what is let in, what answers it, how the answer leaves.
//!
//! Promises: a call that is refused takes no memory, and whatever one that is no member yet calls is; what members call
//! is shared fairly, and what storage nodes call that is urgent or of logs finds room whatever else is called; refusals
//! that the peer does not read are bounded; a task that ends without an answer cuts the connection, so that nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::mpsc::UnboundedSender;

use crate::net::link::{ALONE, Budget, CallPermit, Outgoing, Packet, Side};
use crate::net::packet::{PacketHead, PacketKind, Violation};
use crate::net::settings::NetSettings;
use crate::transport::{BODY_BYTES_MAX, HEAD_BYTES_MAX, Message, Method, Peer, Rejection, Service, TrafficClass};
use couronne_cluster::Role;

/// The longest message of an unjoined process, in bytes.
pub(super) const UNJOINED_BYTES_MAX: usize = 64 << 10;

/// Calls of an unjoined process under way: one that joins asks one thing after the other.
const UNJOINED_CALLS_MAX: usize = 1;

/// The answering side of a connection.
pub(super) struct Serving {
    peer: Peer,
    service: Arc<dyn Service>,
    /// The calls of this connection.
    own: Arc<Budget>,
    /// The calls of the whole process; `None`: the peer is no member yet.
    all: Option<Budgets>,
    queue: UnboundedSender<Outgoing>,
    stopping: AtomicBool,
    /// Refusals that have not left yet.
    refused: AtomicUsize,
    refused_max: usize,
}

/// What the calls of a process take.
#[derive(Clone)]
pub(super) struct Budgets {
    /// Whatever is called.
    pub(super) general: Arc<Budget>,
    /// What storage nodes call that is urgent or of logs finds room here where there is none left.
    pub(super) reserve: Arc<Budget>,
}

impl Budgets {
    fn take(&self, peer: Peer, method: Method, bytes: usize) -> Option<CallPermit> {
        let is_reserved = peer.role == Role::StorageNode && method.class() != TrafficClass::Data;
        let general = self.general.take(peer.node, bytes);
        if general.is_none() && is_reserved { self.reserve.take(peer.node, bytes) } else { general }
    }
}

/// A call that was let in.
pub(in crate::net) struct Accepted {
    call: u64,
    method: Method,
    held: (CallPermit, CallPermit),
}

impl Serving {
    pub(super) fn new(
        peer: Peer,
        service: Arc<dyn Service>,
        settings: &NetSettings,
        all: Option<Budgets>,
        queue: UnboundedSender<Outgoing>,
    ) -> Self {
        let calls_max = if peer.role == Role::Unjoined { UNJOINED_CALLS_MAX } else { settings.calls_max };
        let own = Budget::new(calls_max, settings.call_bytes_max);
        let (stopping, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self { peer, service, own, all, queue, stopping, refused, refused_max: calls_max }
    }

    /// Takes no more calls, and returns when the answers of those under way have left.
    pub(super) async fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.own.until_idle().await;
    }

    fn accept(&self, number: u8, head: &PacketHead) -> Result<Accepted, Rejection> {
        let method = Method::from_number(number).ok_or(Rejection::Malformed)?;
        let Some(all) = self.all.as_ref().filter(|_| method.may(self.peer.role)) else {
            return Err(Rejection::Forbidden);
        };
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Rejection::NotServing);
        }
        let bytes = head.message_len();
        let own = self.own.take(ALONE, bytes).ok_or(Rejection::Overloaded)?;
        let all = all.take(self.peer, method, bytes).ok_or(Rejection::Overloaded)?;
        Ok(Accepted { call: head.call, method, held: (own, all) })
    }

    fn refuse(&self, call: u64, why: Rejection) -> Result<(), Violation> {
        if self.refused.fetch_add(1, Ordering::Relaxed) >= self.refused_max {
            return Err(Violation("too many refused calls"));
        }
        let packet = Packet { kind: PacketKind::Rejection(why), call, message: Message::default(), held: None };
        // A queue that is closed belongs to a connection that ended.
        let _ = self.queue.send(Outgoing::Packet(packet));
        Ok(())
    }
}

impl Side for Serving {
    type Expected = Accepted;

    fn announced(&self, head: &PacketHead) -> Result<Option<Accepted>, Violation> {
        let PacketKind::Request(number) = head.kind else { return Err(Violation("an answer from the asking side")) };
        if self.peer.role == Role::Unjoined && head.message_len() > UNJOINED_BYTES_MAX {
            return Err(Violation("too long a message from an unjoined process"));
        }
        match self.accept(number, head) {
            Ok(accepted) => Ok(Some(accepted)),
            Err(why) => self.refuse(head.call, why).map(|()| None),
        }
    }

    fn arrived(&self, accepted: Accepted, message: Message) {
        let Accepted { call, method, held } = accepted;
        let (service, peer) = (self.service.clone(), self.peer);
        let pending = PendingReply { call, held: Some(held), queue: self.queue.clone() };
        tokio::spawn(async move { pending.send(service.serve(peer, method, message).await) });
    }

    fn leaves(&self, packet: &Packet) -> bool {
        // What holds nothing was refused before it was let in.
        if matches!(packet.kind, PacketKind::Rejection(_)) && packet.held.is_none() {
            self.refused.fetch_sub(1, Ordering::Relaxed);
        }
        true
    }

    fn busy(&self) -> bool {
        self.own.calls() > 0
    }
}

/// An answer that a peer waits for.
struct PendingReply {
    call: u64,
    held: Option<(CallPermit, CallPermit)>,
    queue: UnboundedSender<Outgoing>,
}

impl PendingReply {
    fn send(mut self, answer: Result<Message, Rejection>) {
        let (kind, message) = match answer {
            Ok(message) => (PacketKind::Answer, message),
            Err(why) => (PacketKind::Rejection(why), Message::default()),
        };
        if message.head.len() > HEAD_BYTES_MAX || message.body.len() > BODY_BYTES_MAX {
            tracing::error!(call = self.call, "an answer is too long to be sent");
            return;
        }
        let mut held = self.held.take();
        if let Some((own, all)) = &mut held {
            let bytes = message.head.len().saturating_add(message.body.len());
            own.grow(bytes);
            all.grow(bytes);
        }
        let _ = self.queue.send(Outgoing::Packet(Packet { kind, call: self.call, message, held }));
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        if self.held.is_some() {
            let _ = self.queue.send(Outgoing::Cut("a call ended without an answer"));
        }
    }
}
