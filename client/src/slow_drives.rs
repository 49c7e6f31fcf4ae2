//! Drives that did not answer in time a moment ago: others are asked before them for a while.
//!
//! The map says what is down; this is one process's own, short-lived caution, so that a drive that is
//! stuck costs a few requests their time-out and not every request. Being wrong costs nothing but a
//! longer way: a slow drive is still asked when nobody else is left.
//! Must not know: what drives are asked for.

use std::collections::HashMap;
use std::time::Duration;

use couronne_ring::DriveId;
use parking_lot::RwLock;

/// How long a drive counts as slow.
const SLOW_FOR: Duration = Duration::from_secs(10);
/// A drive that was late so often in a row counts as slow.
const LATE_IN_A_ROW: u8 = 3;

/// The drives that were late.
#[derive(Default)]
pub(crate) struct SlowDrives {
    drives: RwLock<HashMap<DriveId, Record>>,
}

#[derive(Clone, Copy, Default)]
struct Record {
    /// Delays in a row.
    late: u8,
    /// Until when it counts as slow, by the steady clock.
    until: Duration,
}

impl SlowDrives {
    /// Whether others should be asked first. `now` is the steady clock's.
    pub(crate) fn has(&self, drive: DriveId, now: Duration) -> bool {
        self.drives.read().get(&drive).is_some_and(|record| now < record.until)
    }

    /// A drive did not answer within its time-out.
    pub(crate) fn timed_out(&self, drive: DriveId, now: Duration) {
        self.drives.write().insert(drive, Record { late: LATE_IN_A_ROW, until: now.saturating_add(SLOW_FOR) });
    }

    /// A drive did not answer before others had made its answer needless.
    pub(crate) fn late(&self, drive: DriveId, now: Duration) {
        let mut drives = self.drives.write();
        let record = drives.entry(drive).or_default();
        record.late = record.late.saturating_add(1);
        if record.late >= LATE_IN_A_ROW {
            record.until = now.saturating_add(SLOW_FOR);
        }
    }

    /// A drive answered in time.
    pub(crate) fn answered(&self, drive: DriveId) {
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
    fn a_drive_is_slow_after_a_few_delays_and_until_it_answers_or_time_passes() {
        let slow = SlowDrives::default();
        let (drive, at) = (DriveId(1), Duration::from_secs);
        slow.late(drive, at(1));
        slow.late(drive, at(1));
        assert!(!slow.has(drive, at(1)));
        slow.late(drive, at(1));
        assert!(slow.has(drive, at(2)) && !slow.has(drive, at(12)));
        slow.timed_out(drive, at(20));
        assert!(slow.has(drive, at(21)));
        slow.answered(drive);
        assert!(!slow.has(drive, at(21)));
    }
}
