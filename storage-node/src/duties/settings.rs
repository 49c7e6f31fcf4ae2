//! What a user tunes of the duties, and what they count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a user tunes of the duties. A zero interval turns a duty off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutySettings {
    /// A replica's store with this many unflushed bytes is flushed.
    pub flush_bytes: u64,
    /// How often due reap rows are looked for.
    pub reap_interval: Duration,
    /// How often repair rows and reports are looked at, when nothing wakes the repairer earlier.
    pub repair_interval: Duration,
    /// How long a drive is waited for before what it held is rebuilt elsewhere.
    pub repair_grace: Duration,
    /// How many bytes of shards the repairer puts in a second, at most.
    pub repair_bytes_per_second: u64,
    /// How often the disown horizon and the memory of commits are moved on.
    pub watermarks_interval: Duration,
    /// How old a blob must be before a range may disown it, in milliseconds.
    pub disown_age_ms: u64,
    /// How long outcomes of commands are remembered, in milliseconds; longer than any deadline.
    pub commit_memory_ms: u64,
    /// How long the scrubber rests between two rounds over everything.
    pub scrub_interval: Duration,
    /// How many bytes of each drive the scrubber reads in a second, at most, unless a round would take
    /// longer than it may.
    pub scrub_bytes_per_second: u64,
    /// How long the scrubber may take to read a drive.
    pub scrub_round_max: Duration,
    /// Within how long everything is to be scrubbed once: what was not is not known to be sound.
    pub scrub_cycle: Duration,
    /// A leap of the wall clock by more than this halts the duties that delete, in milliseconds.
    pub clock_leap_ms: u64,
}

impl Default for DutySettings {
    fn default() -> Self {
        const DAY_MS: u64 = 86_400_000;
        Self {
            flush_bytes: 24 << 20,
            reap_interval: Duration::from_secs(30),
            repair_interval: Duration::from_secs(5),
            repair_grace: Duration::from_secs(300),
            repair_bytes_per_second: 256 << 20,
            watermarks_interval: Duration::from_secs(300),
            disown_age_ms: 7 * DAY_MS,
            commit_memory_ms: 3_600_000,
            scrub_interval: Duration::from_secs(6 * 3600),
            scrub_bytes_per_second: 16 << 20,
            scrub_round_max: Duration::from_secs(14 * 86_400),
            scrub_cycle: Duration::from_secs(15 * 86_400),
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
    /// Blobs that were given a repair row: they have had shards on a lost or emptied drive.
    pub blobs_degraded: u64,
    /// Shards the scrubber read and checked.
    pub shards_scrubbed: u64,
    /// Shards found missing or wrong.
    pub shards_damaged: u64,
    /// Shards that no row names, deleted.
    pub orphans_deleted: u64,
    /// Rounds over everything.
    pub scrub_rounds: u64,
    /// Ranges whose replicas were compared in all their rows, and found alike.
    pub stores_compared: u64,
    /// Replicas found to have other rows than most, or than can be read: each begins anew from the others.
    pub replicas_differing: u64,
    /// Pieces of rows that differ, or that nobody can read, where no majority tells what they are: lost, perhaps.
    pub rows_unresolved: u64,
    /// Reports of missing or wrong shards that wait.
    pub reports_waiting: u64,
    /// Why the duties that delete are halted, if they are.
    pub halted: Option<String>,
}

impl DutyCounters {
    /// Every metric by its name, for operators and metrics; `halted` is 1 while deleting is halted.
    pub fn metrics(&self) -> [(&'static str, u64); 15] {
        [
            ("flushes", self.flushes),
            ("reaped", self.reaped),
            ("shards_deleted", self.shards_deleted),
            ("chunks_repaired", self.chunks_repaired),
            ("chunks_unrepaired", self.chunks_unrepaired),
            ("blobs_degraded", self.blobs_degraded),
            ("shards_scrubbed", self.shards_scrubbed),
            ("shards_damaged", self.shards_damaged),
            ("orphans_deleted", self.orphans_deleted),
            ("scrub_rounds", self.scrub_rounds),
            ("stores_compared", self.stores_compared),
            ("replicas_differing", self.replicas_differing),
            ("rows_unresolved", self.rows_unresolved),
            ("reports_waiting", self.reports_waiting),
            ("halted", u64::from(self.halted.is_some())),
        ]
    }
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) flushes: AtomicU64,
    pub(super) reaped: AtomicU64,
    pub(super) shards_deleted: AtomicU64,
    pub(super) chunks_repaired: AtomicU64,
    pub(super) chunks_unrepaired: AtomicU64,
    pub(super) blobs_degraded: AtomicU64,
    pub(super) shards_scrubbed: AtomicU64,
    pub(super) shards_damaged: AtomicU64,
    pub(super) orphans_deleted: AtomicU64,
    pub(super) scrub_rounds: AtomicU64,
    pub(super) stores_compared: AtomicU64,
    pub(super) replicas_differing: AtomicU64,
    pub(super) rows_unresolved: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Counters {
    /// The counters; those that are not counters are left out.
    pub(super) fn read(&self) -> DutyCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DutyCounters {
            flushes: read(&self.flushes),
            reaped: read(&self.reaped),
            shards_deleted: read(&self.shards_deleted),
            chunks_repaired: read(&self.chunks_repaired),
            chunks_unrepaired: read(&self.chunks_unrepaired),
            blobs_degraded: read(&self.blobs_degraded),
            shards_scrubbed: read(&self.shards_scrubbed),
            shards_damaged: read(&self.shards_damaged),
            orphans_deleted: read(&self.orphans_deleted),
            scrub_rounds: read(&self.scrub_rounds),
            stores_compared: read(&self.stores_compared),
            replicas_differing: read(&self.replicas_differing),
            rows_unresolved: read(&self.rows_unresolved),
            ..DutyCounters::default()
        }
    }
}
