//! Drives that did not answer in time a moment ago: others are asked before them for a while.
//!
//! The map says what is down; this is one gateway's own, short-lived caution, so that a drive that is
//! stuck costs a few requests their time-out and not every request. Being wrong costs nothing but a
//! longer way: a suspect is still asked when nobody else is left.
//! Must not know: what drives are asked for.

use std::collections::HashMap;
use std::time::Duration;

use couronne_ring::DriveId;
use parking_lot::RwLock;

/// How long a drive is suspected.
const SUSPECTED_FOR: Duration = Duration::from_secs(10);
/// A drive that was late so often in a row is suspected.
const LATE_IN_A_ROW: u8 = 3;

/// The drives that were late.
#[derive(Default)]
pub(super) struct Suspects {
    drives: RwLock<HashMap<DriveId, Record>>,
}

#[derive(Clone, Copy, Default)]
struct Record {
    late: u8,
    until: Duration,
}

impl Suspects {
    /// Whether others should be asked first. `now` is the steady clock's.
    pub(super) fn has(&self, drive: DriveId, now: Duration) -> bool {
        self.drives.read().get(&drive).is_some_and(|record| now < record.until)
    }

    /// A drive did not answer within its time-out.
    pub(super) fn timed_out(&self, drive: DriveId, now: Duration) {
        self.drives.write().insert(drive, Record { late: LATE_IN_A_ROW, until: now.saturating_add(SUSPECTED_FOR) });
    }

    /// A drive did not answer before others had made its answer needless.
    pub(super) fn late(&self, drive: DriveId, now: Duration) {
        let mut drives = self.drives.write();
        let record = drives.entry(drive).or_default();
        record.late = record.late.saturating_add(1);
        if record.late >= LATE_IN_A_ROW {
            record.until = now.saturating_add(SUSPECTED_FOR);
        }
    }

    /// A drive answered in time.
    pub(super) fn answered(&self, drive: DriveId) {
        // Nearly always there is nothing to forget, and readers of the table do not wait for each other.
        if self.drives.read().contains_key(&drive) {
            self.drives.write().remove(&drive);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspicion_comes_after_a_few_and_goes_by_time_or_answer() {
        let suspects = Suspects::default();
        let (drive, at) = (DriveId(1), Duration::from_secs);
        suspects.late(drive, at(1));
        suspects.late(drive, at(1));
        assert!(!suspects.has(drive, at(1)));
        suspects.late(drive, at(1));
        assert!(suspects.has(drive, at(2)) && !suspects.has(drive, at(12)));
        suspects.timed_out(drive, at(20));
        assert!(suspects.has(drive, at(21)));
        suspects.answered(drive);
        assert!(!suspects.has(drive, at(21)));
    }
}
