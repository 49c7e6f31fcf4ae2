//! The calls under way on one connection, and how each ends.
//!
//! Promises: every call ends: with its answer, or, with the connection, as lost if it may have left
//! and as unreachable if it has not. One whose caller is gone is not sent any more, or its answer is
//! read and dropped; it counts as under way until then.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::net::link::{ALONE, Budget, CallPermit, Outgoing, Packet, Side};
use crate::net::packet::{PacketHead, PacketKind, Violation};
use crate::net::settings::NetSettings;
use crate::transport::{CallError, Message, Method, Rejection};

/// Calls under way on a connection.
pub(super) struct Calls {
    budget: Arc<Budget>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    /// Why no more calls are taken, once the connection ended.
    ended: Option<String>,
}

/// A caller that waits.
pub(in crate::net) struct Waiting {
    caller: oneshot::Sender<Result<Message, CallError>>,
    left: bool,
    _held: CallPermit,
}

/// A connection as a caller sees it.
pub(super) struct Link {
    calls: Arc<Calls>,
    queue: UnboundedSender<Outgoing>,
}

impl Link {
    pub(super) const fn new(calls: Arc<Calls>, queue: UnboundedSender<Outgoing>) -> Self {
        Self { calls, queue }
    }

    /// Asks, and waits for the answer.
    pub(super) async fn call(&self, method: Method, message: Message) -> Result<Message, CallError> {
        let (caller, answer) = oneshot::channel();
        let bytes = message.head.len().saturating_add(message.body.len());
        let call = self.calls.begin(bytes, caller)?;
        let packet = Packet { kind: PacketKind::Request(method.number()), call, message, held: None };
        if self.queue.send(Outgoing::Packet(packet)).is_err() {
            self.calls.end("the connection ended");
        }
        answer.await.unwrap_or_else(|_| Err(CallError::Lost("the connection ended".to_owned())))
    }
}

impl Calls {
    pub(super) fn new(settings: &NetSettings) -> Arc<Self> {
        let budget = Budget::new(settings.calls_max, settings.call_bytes_max);
        Arc::new(Self { budget, table: Mutex::default() })
    }

    fn begin(&self, bytes: usize, caller: oneshot::Sender<Result<Message, CallError>>) -> Result<u64, CallError> {
        let held = self.budget.take(ALONE, bytes).ok_or(CallError::Rejected(Rejection::Overloaded))?;
        let mut table = self.table.lock();
        if let Some(why) = &table.ended {
            return Err(CallError::Unreachable(why.clone()));
        }
        table.next = table.next.wrapping_add(1);
        let call = table.next;
        table.waiting.insert(call, Waiting { caller, left: false, _held: held });
        Ok(call)
    }

    /// The connection ended: so do its calls.
    pub(super) fn end(&self, why: &str) {
        let waiting = {
            let mut table = self.table.lock();
            table.ended.get_or_insert_with(|| why.to_owned());
            std::mem::take(&mut table.waiting)
        };
        for call in waiting.into_values() {
            let why = why.to_owned();
            let error = if call.left { CallError::Lost(why) } else { CallError::Unreachable(why) };
            // A caller that is gone needs no answer.
            let _ = call.caller.send(Err(error));
        }
    }
}

impl Side for Calls {
    type Expected = Waiting;

    fn announced(&self, head: &PacketHead) -> Result<Option<Waiting>, Violation> {
        if matches!(head.kind, PacketKind::Request(_)) {
            return Err(Violation("a request from the asked side"));
        }
        let waiting = {
            let mut table = self.table.lock();
            match table.waiting.remove(&head.call) {
                Some(waiting) if waiting.left => waiting,
                _ => return Err(Violation("an answer to no call")),
            }
        };
        if let PacketKind::Rejection(why) = head.kind {
            let _ = waiting.caller.send(Err(CallError::Rejected(why)));
            return Ok(None);
        }
        Ok((!waiting.caller.is_closed()).then_some(waiting))
    }

    fn arrived(&self, waiting: Waiting, message: Message) {
        let _ = waiting.caller.send(Ok(message));
    }

    fn leaves(&self, packet: &Packet) -> bool {
        if !matches!(packet.kind, PacketKind::Request(_)) {
            return true;
        }
        let mut table = self.table.lock();
        let Some(waiting) = table.waiting.get_mut(&packet.call) else { return false };
        waiting.left = !waiting.caller.is_closed();
        if !waiting.left {
            table.waiting.remove(&packet.call);
            return false;
        }
        true
    }

    fn busy(&self) -> bool {
        self.budget.calls() > 0
    }
}
