//! Background duties of a node: flushing, reaping, forgetting, repairing, scrubbing.
//!
//! Promises: each is paced and bounded, and only a range's leader has its data deleted; a duty that
//! deletes stops when the wall clock leapt, until an operator confirms. What a duty missed, the next
//! round or the scrubber finds: none of them keeps state of its own.
//! Must not know: HTTP, S3, Swift.

mod chunk;
mod clock;
mod flusher;
mod marks;
mod reaper;
mod repairer;
mod scrubber;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use couronne_metadata::command::{Command, Envelope, Outcome};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey};
use couronne_metadata::query::{Answer, Query};
use couronne_placement::ShardId;
use couronne_protocol::range::{QueryEnvelope, RangeAddress, RangeClient, RangeDescriptor, RangeError};
use couronne_protocol::shard::Owner;
use couronne_ring::DriveId;
use parking_lot::Mutex;
use tokio::time::sleep;

pub(crate) use clock::ClockGuard;

use crate::node::LocalNode;
use crate::range_server::RangeServer;

/// Reports kept; further ones are dropped, for the scrubber finds what they told.
const REPORTS_MAX: usize = 10_000;

/// How long a duty's command may take.
const COMMAND_DEADLINE_MS: u64 = 30_000;

/// Tries of a duty's command or query before it is left to the next round.
const TRIES: usize = 20;

/// What a user tunes of the duties. A zero interval turns a duty off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutySettings {
    /// How often due reap rows are looked for.
    pub reap_interval: Duration,
    /// How often repair rows and reports are looked at.
    pub repair_interval: Duration,
    /// How often the disown horizon and the memory of commits are moved on.
    pub marks_interval: Duration,
    /// How old a blob must be before a range may disown it, in milliseconds.
    pub disown_age_ms: u64,
    /// How long outcomes of commands are remembered, in milliseconds; longer than any deadline.
    pub commit_memory_ms: u64,
    /// How long the scrubber rests between two rounds over everything.
    pub scrub_interval: Duration,
    /// How many bytes of each drive the scrubber reads in a second, at most.
    pub scrub_bytes_per_second: u64,
    /// A leap of the wall clock by more than this halts the duties that delete, in milliseconds.
    pub clock_leap_ms: u64,
}

impl Default for DutySettings {
    fn default() -> Self {
        const DAY_MS: u64 = 86_400_000;
        Self {
            reap_interval: Duration::from_secs(30),
            repair_interval: Duration::from_secs(5),
            marks_interval: Duration::from_secs(300),
            disown_age_ms: 7 * DAY_MS,
            commit_memory_ms: 3_600_000,
            scrub_interval: Duration::from_secs(6 * 3600),
            scrub_bytes_per_second: 16 << 20,
            clock_leap_ms: 7 * DAY_MS,
        }
    }
}

/// What the duties have done since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DutyCounters {
    /// Stores flushed.
    pub flushes: u64,
    /// Reap rows done away with.
    pub reaped: u64,
    /// Shards deleted by the reaper.
    pub shards_deleted: u64,
    /// Chunks of which a shard was put back.
    pub chunks_repaired: u64,
    /// Chunks that could not be made whole yet.
    pub chunks_unrepaired: u64,
    /// Shards the scrubber read and checked.
    pub shards_scrubbed: u64,
    /// Shards found missing or wrong.
    pub shards_damaged: u64,
    /// Shards that no row names, deleted.
    pub orphans_deleted: u64,
    /// Rounds over everything.
    pub scrub_rounds: u64,
    /// Reports of missing or wrong shards that wait.
    pub reports_waiting: u64,
    /// Why the duties that delete are halted, if they are.
    pub halted: Option<String>,
}

impl DutyCounters {
    /// Every figure by its name, for operators and metrics; `halted` is 1 while deleting is halted.
    pub fn figures(&self) -> [(&'static str, u64); 11] {
        [
            ("flushes", self.flushes),
            ("reaped", self.reaped),
            ("shards_deleted", self.shards_deleted),
            ("chunks_repaired", self.chunks_repaired),
            ("chunks_unrepaired", self.chunks_unrepaired),
            ("shards_scrubbed", self.shards_scrubbed),
            ("shards_damaged", self.shards_damaged),
            ("orphans_deleted", self.orphans_deleted),
            ("scrub_rounds", self.scrub_rounds),
            ("reports_waiting", self.reports_waiting),
            ("halted", u64::from(self.halted.is_some())),
        ]
    }
}

#[derive(Default)]
struct Counters {
    flushes: AtomicU64,
    reaped: AtomicU64,
    shards_deleted: AtomicU64,
    chunks_repaired: AtomicU64,
    chunks_unrepaired: AtomicU64,
    shards_scrubbed: AtomicU64,
    shards_damaged: AtomicU64,
    orphans_deleted: AtomicU64,
    scrub_rounds: AtomicU64,
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// A shard that a reader found missing or wrong.
type Report = (DriveId, ShardId, Owner);

/// The node's duties.
pub(crate) struct Duties {
    settings: DutySettings,
    counters: Counters,
    reports: Mutex<VecDeque<Report>>,
    clock: ClockGuard,
}

impl Duties {
    pub(crate) fn new(settings: DutySettings, clock: ClockGuard) -> Self {
        Self { settings, counters: Counters::default(), reports: Mutex::default(), clock }
    }

    /// Takes note of a shard that was missing or wrong.
    pub(crate) fn report(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        let mut reports = self.reports.lock();
        if reports.len() < REPORTS_MAX {
            reports.push_back((drive, shard, owner));
        }
    }

    /// An operator confirms that the wall clock is right.
    pub(crate) fn confirm_clock(&self) {
        self.clock.confirm();
    }

    /// What was done since the start.
    pub(crate) fn counters(&self) -> DutyCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        DutyCounters {
            flushes: read(&counters.flushes),
            reaped: read(&counters.reaped),
            shards_deleted: read(&counters.shards_deleted),
            chunks_repaired: read(&counters.chunks_repaired),
            chunks_unrepaired: read(&counters.chunks_unrepaired),
            shards_scrubbed: read(&counters.shards_scrubbed),
            shards_damaged: read(&counters.shards_damaged),
            orphans_deleted: read(&counters.orphans_deleted),
            scrub_rounds: read(&counters.scrub_rounds),
            reports_waiting: u64::try_from(self.reports.lock().len()).unwrap_or(u64::MAX),
            halted: self.clock.halted(),
        }
    }
}

/// Begins all duties of a node. They end with it.
pub(crate) fn begin(node: &Arc<LocalNode>) {
    let settings = node.duties.settings.clone();
    every(node, Duration::from_secs(1), flusher::round);
    every(node, settings.reap_interval, reaper::round);
    every(node, settings.repair_interval, repairer::round);
    every(node, settings.marks_interval, marks::round);
    every(node, settings.scrub_interval, scrubber::round);
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
                () = round(node) => {}
                () = stop.stopped() => return,
            }
        }
    });
}

/// Executes a duty's command at the leader of a range.
async fn execute(
    node: &LocalNode,
    leader: &RangeServer,
    (bucket, key): (BucketId, ObjectKey),
    command: Command,
) -> Result<Outcome, RangeError> {
    let now_ms = node.env().clock.wall_ms();
    let commit = CommitId::new(now_ms, node.env().random_bytes());
    let deadline_ms = now_ms.saturating_add(COMMAND_DEADLINE_MS);
    let envelope = Envelope { commit, deadline_ms, bucket, rules_version: 0, key, command };
    leader.execute(address_of(leader), envelope).await
}

fn address_of(leader: &RangeServer) -> RangeAddress {
    let descriptor = leader.descriptor();
    RangeAddress { range: descriptor.id, generation: descriptor.generation, replica: leader.drive() }
}

/// Asks the leader of a range.
async fn ask(leader: &RangeServer, query: Query) -> Result<Answer, RangeError> {
    let envelope = QueryEnvelope { bucket: BucketId::SYSTEM, rules_version: None, query };
    leader.query(address_of(leader), envelope).await
}

/// Asks whoever leads the range of an owner, trying again while it changes.
async fn ask_owner(node: &LocalNode, owner: &Owner, query: Query) -> Result<Answer, RangeError> {
    let position = RangeDescriptor::position(owner.bucket, &owner.key.as_bytes()[..]);
    let mut failure = RangeError::Overloaded;
    for _ in 0..TRIES {
        let ranges = node.describe(position.clone(), Bytes::new()).await?;
        let range = ranges.into_iter().find(|range| range.contains(&position));
        let found = range.and_then(|range| node.leader_hint(range.id).map(|replica| (range, replica)));
        if let Some((range, replica)) = found {
            let address = RangeAddress { range: range.id, generation: range.generation, replica };
            let envelope = QueryEnvelope { bucket: owner.bucket, rules_version: None, query: query.clone() };
            match node.query(address, envelope).await {
                Ok(answer) => return Ok(answer),
                Err(error @ RangeError::Corrupt(_)) => return Err(error),
                Err(error) => failure = error,
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(failure)
}

/// Some key that a range owns, for commands that are about the range as a whole.
fn some_key(descriptor: &RangeDescriptor) -> Option<(BucketId, ObjectKey)> {
    let mut position = descriptor.start.to_vec();
    let len = position.len().max(16);
    position.resize(len, 0);
    let (bucket, key) = position.split_at_checked(16)?;
    let bucket = BucketId::from_bytes(bucket.try_into().ok()?);
    let key = if key.is_empty() { Bytes::from_static(b"\x01") } else { Bytes::copy_from_slice(key) };
    ObjectKey::new(key).ok().map(|key| (bucket, key))
}
