//! A place for one connection to a peer: opened when it is needed, and again after it failed.
//!
//! Promises: however many callers wait, one connection is opened, and none of them giving up stops
//! that; for a while after a failure calls fail at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use couronne_ring::NodeId;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Dialer;
use super::calls::Link;
use crate::net::link::End;
use crate::transport::CallError;

/// What a call weighs beside its bytes: its answer may be long. Bytes.
const CALL_WEIGHT_BYTES: usize = 64 << 10;

/// A place for a connection.
pub(super) struct ConnectionSlot {
    peer: NodeId,
    backoff: Duration,
    backoff_max: Duration,
    /// Bytes of the calls that chose this place, as [`Load`] counts them.
    load: AtomicUsize,
    state: Mutex<State>,
}

enum State {
    Closed,
    Opening(watch::Receiver<Opened>),
    /// With the certificates and the trust of this generation.
    Open(Arc<Link>, u64),
    Resting {
        until: Instant,
        failures: u32,
        why: CallError,
    },
}

/// What came of opening, once it is known.
type Opened = Option<Result<Arc<Link>, CallError>>;

/// What one call adds to the load, until it is dropped.
pub(super) struct Load<'a> {
    load: &'a AtomicUsize,
    bytes: usize,
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.load.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl ConnectionSlot {
    pub(super) fn new(peer: NodeId, backoff_ms: u64, backoff_ms_max: u64) -> Arc<Self> {
        let (backoff, backoff_max) = (Duration::from_millis(backoff_ms), Duration::from_millis(backoff_ms_max));
        Arc::new(Self { peer, backoff, backoff_max, load: AtomicUsize::new(0), state: Mutex::new(State::Closed) })
    }

    /// Counts a call of `bytes`.
    pub(super) fn load(&self, bytes: usize) -> Load<'_> {
        let bytes = bytes.saturating_add(CALL_WEIGHT_BYTES);
        self.load.fetch_add(bytes, Ordering::Relaxed);
        Load { load: &self.load, bytes }
    }

    /// How well the place would serve the next call; less is better. One that rests is the last
    /// choice; of two with nothing to do, the open one is better.
    pub(super) fn rank(&self) -> (bool, usize, bool) {
        let load = self.load.load(Ordering::Relaxed);
        match &*self.state.lock() {
            State::Open(..) => (false, load, false),
            State::Resting { until, .. } if Instant::now() < *until => (true, load, true),
            State::Opening(_) | State::Closed | State::Resting { .. } => (false, load, true),
        }
    }

    /// The connection, opened if it is not yet.
    pub(super) async fn link(self: &Arc<Self>, dialer: &Arc<Dialer>) -> Result<Arc<Link>, CallError> {
        let mut opening = {
            let mut state = self.state.lock();
            let failures = match &*state {
                State::Open(link, generation) if *generation == dialer.tls.generation() => return Ok(link.clone()),
                State::Resting { until, why, .. } if Instant::now() < *until => {
                    return Err(why.clone());
                }
                State::Opening(opening) if opening.has_changed().is_ok() => Err(opening.clone()),
                // A task that was ended with its runtime opens nothing any more.
                State::Opening(_) | State::Closed | State::Open(..) => Ok(0),
                State::Resting { failures, .. } => Ok(*failures),
            };
            match failures {
                Err(opening) => opening,
                Ok(failures) => {
                    let (tell, opening) = watch::channel(None);
                    *state = State::Opening(opening.clone());
                    tokio::spawn(open(Arc::downgrade(self), self.peer, dialer.clone(), failures, tell));
                    opening
                }
            }
        };
        let opened = opening.wait_for(Option::is_some).await.ok().and_then(|opened| opened.clone());
        match opened {
            Some(opened) => opened,
            None => Err(CallError::unreachable("the process is stopping")),
        }
    }

    /// Takes note that a connection ended. One in whose place there is another already, or whose certificates are to be
    /// shown anew, says nothing of the next.
    fn ended(&self, link: &Weak<Link>, generation: u64, end: End) {
        let mut state = self.state.lock();
        let is_here = matches!(&*state, State::Open(open, _) if Weak::ptr_eq(link, &Arc::downgrade(open)));
        let is_stale = matches!(&*state, State::Open(_, opened) if *opened != generation);
        if is_here && is_stale {
            *state = State::Closed;
        } else if is_here {
            drop(state);
            self.rest(0, CallError::unreachable(end));
        }
    }

    /// Rests after a failure, the longer the more of them followed each other.
    fn rest(&self, failures: u32, why: CallError) {
        let doubled = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
        let pause = self.backoff.saturating_mul(doubled).min(self.backoff_max);
        let until = Instant::now() + pause;
        *self.state.lock() = State::Resting { until, failures: failures.saturating_add(1), why };
    }
}

/// Opens a connection for a place, and drives it to its end. It does not keep the place alive.
async fn open(
    slot: Weak<ConnectionSlot>,
    peer: NodeId,
    dialer: Arc<Dialer>,
    failures: u32,
    tell: watch::Sender<Opened>,
) {
    let generation = dialer.tls.generation();
    let (link, mut connection) = match dialer.dial(peer).await {
        Ok(opened) => opened,
        Err(why) => {
            tracing::debug!(%peer, error = %why, "connecting to a peer");
            if let Some(slot) = slot.upgrade() {
                slot.rest(failures, why.clone());
            }
            tell.send_replace(Some(Err(why)));
            return;
        }
    };
    let link = Arc::new(link);
    let opened = Arc::downgrade(&link);
    if let Some(slot) = slot.upgrade() {
        *slot.state.lock() = State::Open(link.clone(), generation);
    }
    tell.send_replace(Some(Ok(link)));
    drop(tell);
    let end = connection.run(&dialer.settings).await;
    tracing::debug!(%peer, %end, "a connection to a peer ended");
    if let Some(slot) = slot.upgrade() {
        slot.ended(&opened, dialer.tls.generation(), end);
    }
    connection.close().await;
}
