//! How far the request of an HTTP/1 connection, or of an HTTP/2 stream, has come, and when it is cut.
//!
//! hyper asks nothing of a body whose client takes nothing, and then nothing of ours is called that could give it up. So
//! this stands beside what hyper runs, and ends it.
//!
//! Promises: a request that is cut while its answer is sent ends at once; one that is cut before gets the time to be
//! told 503. Must not know: HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use couronne_base::fair::Cut;
use tokio::time::Instant;

use crate::front::limits::pace::{LeastRate, Pace};

/// How long a client that is cut may take to be told so: its place may be another's already.
const TELL_TIME: Duration = Duration::from_secs(1);

/// How often it is looked whether the client takes its answer, at least.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(5);

const IDLE: u8 = 0;
const RECEIVING: u8 = 1;
const SENDING: u8 = 2;

/// How far a request has come. Clones are the same.
#[derive(Clone)]
pub(super) struct Progress(Arc<Inner>);

struct Inner {
    cut: Cut,
    phase: AtomicU8,
    /// Whether bytes of the answer were given that the client has not taken.
    clients_turn: AtomicBool,
    given_bytes: AtomicU64,
    /// Whether the last answer was given before all of its request had come.
    is_early: AtomicBool,
    /// Whether all answers were flushed, and no request began since.
    is_settled: AtomicBool,
}

/// How long a client may take for an answer.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// It may take nothing for so long.
    pub(super) stall: Duration,
    pub(super) least: LeastRate,
}

impl Progress {
    pub(super) fn new(cut: Cut) -> Self {
        let (phase, clients_turn, given_bytes) = (AtomicU8::new(IDLE), AtomicBool::new(false), AtomicU64::new(0));
        let (is_early, is_settled) = (AtomicBool::new(false), AtomicBool::new(true));
        Self(Arc::new(Inner { cut, phase, clients_turn, given_bytes, is_early, is_settled }))
    }

    pub(super) fn cut(&self) -> &Cut {
        &self.0.cut
    }

    /// A request began.
    pub(super) fn receive(&self) {
        self.0.is_settled.store(false, Ordering::Release);
        self.0.phase.store(RECEIVING, Ordering::Release);
    }

    /// Its answer is sent from now on, unless it was cut: then it is what tells the client so.
    pub(super) fn send(&self) {
        self.0.clients_turn.store(false, Ordering::Release);
        if !self.0.cut.is_cut() {
            self.0.phase.store(SENDING, Ordering::Release);
        }
    }

    /// There is no place for the request: what its client does not take of the answer at once is not kept for it.
    pub(super) fn refuse(&self) {
        self.0.phase.store(SENDING, Ordering::Release);
        self.0.cut.cut();
    }

    /// The answer is given before all of its request has come, and nobody reads the rest.
    pub(super) fn answer_early(&self) {
        self.0.is_early.store(true, Ordering::Release);
    }

    /// Whether the last answer was given before all of its request had come.
    pub(super) fn is_early(&self) -> bool {
        self.0.is_early.load(Ordering::Acquire)
    }

    /// All that was written was flushed.
    pub(super) fn flushed(&self) {
        if self.0.phase.load(Ordering::Acquire) == IDLE {
            self.0.is_settled.store(true, Ordering::Release);
        }
    }

    /// Whether all answers were flushed, and no request began since.
    pub(super) fn is_settled(&self) -> bool {
        self.0.is_settled.load(Ordering::Acquire)
    }

    /// The next bytes are asked for.
    pub(super) fn asked(&self) {
        self.0.clients_turn.store(false, Ordering::Release);
    }

    /// Bytes were given.
    pub(super) fn given(&self, bytes: usize) {
        self.0.given_bytes.fetch_add(bytes as u64, Ordering::AcqRel);
        self.0.clients_turn.store(true, Ordering::Release);
    }

    /// The answer was given to its end.
    pub(super) fn end(&self) {
        self.0.clients_turn.store(false, Ordering::Release);
        if !self.0.cut.is_cut() {
            self.0.phase.store(IDLE, Ordering::Release);
        }
    }

    /// Waits until the request has been cut and its end is due.
    pub(super) async fn cut_off(&self) {
        self.0.cut.wait().await;
        if self.0.phase.load(Ordering::Acquire) == RECEIVING {
            tokio::time::sleep(TELL_TIME).await;
        }
    }

    /// Waits until the client is given up: it was cut, or takes too little of what it was given.
    pub(super) async fn given_up(&self, bounds: Bounds) {
        tokio::select! {
            biased;
            () = self.cut_off() => {}
            () = self.stalled(bounds) => {}
        }
    }

    async fn stalled(&self, Bounds { stall, least }: Bounds) {
        let every = (stall / 2).min(LOOK_EVERY_MAX).max(Duration::from_millis(1));
        let (mut pace, mut seen, mut since) = (Pace::default(), 0, Instant::now());
        loop {
            let before = Instant::now();
            tokio::time::sleep(every).await;
            let given = self.0.given_bytes.load(Ordering::Acquire);
            if !self.0.clients_turn.load(Ordering::Acquire) {
                (pace, seen, since) = (Pace::default(), given, Instant::now());
                continue;
            }
            pace.moved(given.saturating_sub(seen));
            if given != seen {
                (seen, since) = (given, before);
            }
            if since.elapsed() >= stall || pace.is_too_slow(before.elapsed(), least) {
                return;
            }
        }
    }
}
