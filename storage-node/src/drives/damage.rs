//! Shards that readers found missing or wrong, until the repairer looks at them.
//!
//! Promises: memory is bounded; what is dropped the scrubber finds.

use std::collections::VecDeque;

use couronne_placement::ShardId;
use couronne_protocol::shard::Owner;
use couronne_ring::DriveId;
use parking_lot::Mutex;

/// Reports kept; further ones are dropped.
const REPORTS_MAX: usize = 10_000;

/// A shard that a reader found missing or wrong on a drive.
pub(crate) type DamageReport = (DriveId, ShardId, Owner);

/// The reports that wait.
#[derive(Default)]
pub(crate) struct DamageReports(Mutex<VecDeque<DamageReport>>);

impl DamageReports {
    /// Takes note of a shard that was missing or wrong.
    pub(crate) fn add(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        let mut reports = self.0.lock();
        if reports.len() < REPORTS_MAX {
            reports.push_back((drive, shard, owner));
        }
    }

    /// The oldest report, which no longer waits.
    pub(crate) fn take(&self) -> Option<DamageReport> {
        self.0.lock().pop_front()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> u64 {
        u64::try_from(self.0.lock().len()).unwrap_or(u64::MAX)
    }
}
