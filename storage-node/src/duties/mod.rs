//! Background duties of a node.
//!
//! Must not know: HTTP, S3, Swift.

use std::collections::VecDeque;

use couronne_placement::ShardId;
use couronne_protocol::shard::Owner;
use couronne_ring::DriveId;
use parking_lot::Mutex;

/// Reports kept; further ones are dropped, for the scrubber finds what they told.
const REPORTS_MAX: usize = 10_000;

/// What the duties have done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DutyCounters {
    /// Reports of missing or wrong shards that wait.
    pub reports_waiting: usize,
}

/// A shard that a reader found missing or wrong.
pub(crate) type Report = (DriveId, ShardId, Owner);

/// The node's duties.
pub(crate) struct Duties {
    reports: Mutex<VecDeque<Report>>,
}

impl Duties {
    pub(crate) const fn new() -> Self {
        Self { reports: Mutex::new(VecDeque::new()) }
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
        DutyCounters { reports_waiting: self.reports.lock().len() }
    }
}
