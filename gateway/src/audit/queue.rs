//! The queue of lines that are not written yet: bounded in bytes, and no request waits for what empties it.
//!
//! A request that changes something takes its room before it is carried out ([`Queue::reserve`]), so that a full queue is
//! found out while the request can still be refused. All other events take what room there is when they come, as long as
//! half of the queue is free: requests that are denied can come from anybody, in any number, and must not displace the events of
//! changes.
//! Must not know: what lines say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::settings::AuditSettings;

/// The longest line but for one that tells of many objects, and the room that a change takes beforehand. Bytes.
pub(super) const LINE_BYTES_MAX: usize = 16 << 10;

/// The queue has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit's queue is full")]
pub struct Full;

/// Room in the queue for one line.
pub(super) struct Room(OwnedSemaphorePermit);

/// A line on its way.
pub(super) struct AuditLine {
    /// With its line feed.
    pub(super) text: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// Where requests put lines.
pub(super) struct Queue {
    free: Arc<Semaphore>,
    bytes_max: usize,
    wait: Duration,
    lines: UnboundedSender<AuditLine>,
    figures: Arc<Figures>,
}

/// Where the writer takes lines.
pub(super) struct Lines {
    pub(super) lines: UnboundedReceiver<AuditLine>,
    pub(super) figures: Arc<Figures>,
}

/// What is counted.
pub(super) struct Figures {
    written: IntCounter,
    lost: IntCounterVec,
    refused: IntCounter,
    waiting_bytes: IntGauge,
    /// Events that were lost since the last line that says so.
    unsaid: AtomicU64,
}

impl Queue {
    /// A queue; fails if its metrics have the names of others.
    pub(super) fn new(settings: &AuditSettings, registry: &Registry) -> Result<(Self, Lines), prometheus::Error> {
        let (sender, lines) = unbounded_channel();
        let figures = Arc::new(Figures::new(registry)?);
        // What two changes take at least, so that there is room for a change beside anything else.
        let bytes_max = settings.queue_bytes_max.clamp(2 * LINE_BYTES_MAX, Semaphore::MAX_PERMITS);
        let queue = Self {
            free: Arc::new(Semaphore::new(bytes_max)),
            bytes_max,
            wait: settings.wait(),
            lines: sender,
            figures: Arc::clone(&figures),
        };
        Ok((queue, Lines { lines, figures }))
    }

    /// Takes room for the line of a change; waits for it for a while.
    pub(super) async fn reserve(&self) -> Result<Room, Full> {
        let bytes = u32::try_from(LINE_BYTES_MAX).unwrap_or(u32::MAX);
        let room = timeout(self.wait, Arc::clone(&self.free).acquire_many_owned(bytes)).await;
        match room {
            Ok(Ok(room)) => Ok(Room(room)),
            _ => Err(Full),
        }
    }

    /// A request was refused because there was no room.
    pub(super) fn note_refused(&self) {
        self.figures.refused.inc();
    }

    /// Appends a line, or its short form where there is no room for the long one. `short` is no longer than
    /// [`LINE_BYTES_MAX`].
    pub(super) fn append(&self, room: Option<Room>, is_change: bool, line: Vec<u8>, short: impl FnOnce() -> Vec<u8>) {
        let (line, room) = match room {
            Some(Room(room)) => match self.grown(room, line.len()) {
                Ok(room) => (line, Some(room)),
                Err(room) => (short(), Some(room)),
            },
            None => {
                let room = self.take(line.len(), is_change);
                (line, room)
            }
        };
        let sent = room.is_some_and(|room| self.lines.send(AuditLine { text: line, _room: room }).is_ok());
        if !sent {
            self.figures.note_lost("full", 1);
        }
        self.figures.waiting_bytes.set(i64::try_from(self.waiting_bytes()).unwrap_or(i64::MAX));
    }

    fn waiting_bytes(&self) -> usize {
        self.bytes_max.saturating_sub(self.free.available_permits())
    }

    fn take(&self, bytes: usize, is_change: bool) -> Option<OwnedSemaphorePermit> {
        let kept = if is_change { 0 } else { self.bytes_max / 2 };
        if self.free.available_permits() < bytes.saturating_add(kept) {
            return None;
        }
        Arc::clone(&self.free).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }

    /// The same room, of so many bytes; what is too much is given back.
    fn grown(
        &self,
        mut room: OwnedSemaphorePermit,
        bytes: usize,
    ) -> Result<OwnedSemaphorePermit, OwnedSemaphorePermit> {
        match bytes.checked_sub(room.num_permits()) {
            None | Some(0) => {
                drop(room.split(room.num_permits().saturating_sub(bytes)));
                Ok(room)
            }
            Some(more) => match self.take(more, true) {
                Some(more) => {
                    room.merge(more);
                    Ok(room)
                }
                None => Err(room),
            },
        }
    }
}

impl Figures {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let figures = Self {
            written: IntCounter::new("couronne_audit_events_total", "Events of the audit that were written.")?,
            lost: IntCounterVec::new(
                Opts::new("couronne_audit_lost_events_total", "Events of the audit that were lost, by reason."),
                &["why"],
            )?,
            refused: IntCounter::new(
                "couronne_audit_refused_requests_total",
                "Requests that were refused because the audit's queue had no room for their events.",
            )?,
            waiting_bytes: IntGauge::new("couronne_audit_waiting_bytes", "Room that is taken in the audit's queue.")?,
            unsaid: AtomicU64::new(0),
        };
        registry.register(Box::new(figures.written.clone()))?;
        registry.register(Box::new(figures.lost.clone()))?;
        registry.register(Box::new(figures.refused.clone()))?;
        registry.register(Box::new(figures.waiting_bytes.clone()))?;
        // Both stand at 0 from the start: an alarm on their growth needs a first value.
        for why in ["full", "output"] {
            figures.lost.with_label_values(&[why]).reset();
        }
        Ok(figures)
    }

    /// So many events are written.
    pub(super) fn note_written(&self, events: u64) {
        self.written.inc_by(events);
    }

    /// So many events are lost: for want of room (`full`), or because the output did not take them (`output`).
    pub(super) fn note_lost(&self, why: &'static str, events: u64) {
        self.lost.with_label_values(&[why]).inc_by(events);
        self.unsaid.fetch_add(events, Ordering::Relaxed);
    }

    /// The events that were lost since this was asked last.
    pub(super) fn take_unsaid(&self) -> u64 {
        self.unsaid.swap(0, Ordering::Relaxed)
    }

    /// This many lost events were not said after all.
    pub(super) fn put_unsaid(&self, events: u64) {
        self.unsaid.fetch_add(events, Ordering::Relaxed);
    }
}
