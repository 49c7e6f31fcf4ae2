//! Shards that readers found missing or wrong, until the repairer looks at them.
//!
//! Promises: memory is bounded; what is dropped the scrubber finds; a report counts until what became of it is known.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use couronne_placement::ShardId;
use couronne_protocol::shard::Owner;
use couronne_ring::DriveId;
use parking_lot::Mutex;

/// Reports kept; further ones are dropped.
const REPORTS_MAX: usize = 10_000;

/// A shard that a reader found missing or wrong on a drive.
pub(crate) type DamageReport = (DriveId, ShardId, Owner);

/// The reports that wait, and how many shards are looked at.
#[derive(Default)]
pub(crate) struct DamageReports {
    waiting: Mutex<VecDeque<DamageReport>>,
    under_way: AtomicU64,
}

/// A damaged shard is looked at, until this is dropped.
pub(crate) struct UnderWay<'a>(&'a AtomicU64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl DamageReports {
    /// Takes note of a shard that was missing or wrong.
    pub(crate) fn add(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        let mut reports = self.waiting.lock();
        if reports.len() < REPORTS_MAX {
            reports.push_back((drive, shard, owner));
        }
    }

    /// The oldest report, which no longer waits and is under way.
    pub(crate) fn take(&self) -> Option<(DamageReport, UnderWay<'_>)> {
        let mut reports = self.waiting.lock();
        // It is counted before it waits no more.
        let under_way = self.begin();
        reports.pop_front().map(|report| (report, under_way))
    }

    /// A damaged shard is looked at that was not reported.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.under_way)
    }

    /// How many shards are known to be damaged of which it is not known yet what became.
    pub(crate) fn open(&self) -> u64 {
        let reports = self.waiting.lock();
        u64::try_from(reports.len()).unwrap_or(u64::MAX).saturating_add(self.under_way.load(Ordering::Relaxed))
    }
}
