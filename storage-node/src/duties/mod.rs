//! Background duties of a node: flushing, reaping, forgetting, repairing, scrubbing.
//!
//! Promises: each is paced and bounded, and only a range's leader has its data deleted; a duty that
//! deletes by age stops while the wall clock cannot be trusted. What a duty missed, the
//! next round or the scrubber finds: what they keep in memory is only what they need not look at again.
//! Must not know: HTTP, S3, Swift.

mod asking;
mod chunk;
mod flusher;
mod marks;
mod pace;
mod reaper;
mod repairer;
mod scrubber;
mod settings;
mod speed;
mod standing;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use couronne_placement::ShardId;
use couronne_protocol::shard::Owner;
use couronne_ring::DriveId;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;

use asking::{ask, ask_about, ask_owner, execute, policy_of, some_key};
use pace::Pace;
pub use repairer::{Degraded, RepairStatus};
use repairer::{Progress, status};
use scrubber::ScrubProgress;
pub use scrubber::{DriveScrub, ScrubStatus};
use settings::{Counters, count};
pub use settings::{DutyCounters, DutySettings};

use crate::node::LocalNode;

/// Reports kept; further ones are dropped, for the scrubber finds what they told.
const REPORTS_MAX: usize = 10_000;

/// Chunks that are repaired at a time. With the size of a chunk it bounds the memory.
const MOVING_MAX: usize = 6;

/// A shard that a reader found missing or wrong.
type Report = (DriveId, ShardId, Owner);

/// The node's duties.
pub(crate) struct Duties {
    settings: DutySettings,
    counters: Counters,
    reports: Mutex<VecDeque<Report>>,
    repair: Progress,
    repair_pace: Pace,
    repair_started: Arc<Notify>,
    /// Chunks whose bytes are in memory.
    moving: Semaphore,
    scrub: ScrubProgress,
    scrub_started: Arc<Notify>,
}

impl Duties {
    pub(crate) fn new(settings: DutySettings) -> Self {
        let repair_pace = Pace::new(settings.repair_bytes_per_second);
        Self {
            settings,
            counters: Counters::default(),
            reports: Mutex::default(),
            repair: Progress::default(),
            repair_pace,
            repair_started: Arc::default(),
            moving: Semaphore::new(MOVING_MAX),
            scrub: ScrubProgress::default(),
            scrub_started: Arc::default(),
        }
    }

    /// Takes note of a shard that was missing or wrong.
    pub(crate) fn report(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        let mut reports = self.reports.lock();
        if reports.len() < REPORTS_MAX {
            reports.push_back((drive, shard, owner));
        }
    }

    /// What was done since the start.
    pub(crate) fn counters(&self) -> DutyCounters {
        DutyCounters {
            reports_waiting: u64::try_from(self.reports.lock().len()).unwrap_or(u64::MAX),
            ..self.counters.read()
        }
    }
}

/// How repair of the ranges led by this node gets on.
pub(crate) fn repair_status(node: &LocalNode) -> RepairStatus {
    status(node)
}

/// How the scrubber's round gets on.
pub(crate) fn scrub_status(node: &LocalNode) -> ScrubStatus {
    node.duties.scrub.status(node.env().clock.steady())
}

/// An operator wants everything repaired now: nothing waits, every blob is looked for.
pub(crate) fn start_repair(node: &LocalNode) {
    repairer::start(node);
}

/// An operator wants everything scrubbed now; `false` if a round is under way.
pub(crate) fn start_scrub(node: &LocalNode) -> bool {
    let is_idle = !node.duties.scrub.is_running();
    if is_idle {
        node.duties.scrub_started.notify_one();
    }
    is_idle
}

/// Begins all duties of a node. They end with it.
pub(crate) fn begin(node: &Arc<LocalNode>) {
    let settings = node.duties.settings.clone();
    every(node, Duration::from_secs(1), flusher::round);
    every(node, settings.reap_interval, reaper::round);
    every(node, settings.marks_interval, marks::round);
    scrubber::begin(node);
    repairer::begin(node);
}

/// Runs rounds of a duty with a rest before each; a zero rest turns the duty off.
fn every<F, R>(node: &Arc<LocalNode>, rest: Duration, round: F)
where
    F: Fn(Arc<LocalNode>) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    if rest.is_zero() {
        return;
    }
    let node: Weak<LocalNode> = Arc::downgrade(node);
    tokio::spawn(async move {
        loop {
            sleep(rest).await;
            let Some(node) = node.upgrade() else { return };
            if node.is_stopping() {
                return;
            }
            let stop = Arc::clone(&node);
            tokio::select! {
                biased;
                () = stop.stopped() => return,
                () = round(node) => {}
            }
        }
    });
}
