//! How the scrubber's round over this node's drives gets on.
//!
//! Must not know: what it does with what it finds.

use std::time::Duration;

use parking_lot::Mutex;

/// The scrubber's round over the drives of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubStatus {
    /// Rounds finished since the start.
    pub rounds: u64,
    /// Bytes read in the round under way; 0 between two rounds.
    pub read_bytes: u64,
    /// Bytes there were to be read when it began.
    pub total_bytes: u64,
    /// Bytes read in a second, in this round.
    pub bytes_per_second: u64,
    /// Seconds until its drives are read; unset: nothing to tell it by.
    pub seconds_left: Option<u64>,
}

#[derive(Default)]
struct Round {
    began: Duration,
    read: u64,
    total: u64,
}

/// The round under way, if there is one.
#[derive(Default)]
pub(in crate::duties) struct ScrubProgress(Mutex<Option<Round>>);

impl ScrubProgress {
    pub(super) fn begin(&self, now: Duration, total: u64) {
        *self.0.lock() = Some(Round { began: now, read: 0, total });
    }

    pub(super) fn read(&self, bytes: u64) {
        if let Some(round) = &mut *self.0.lock() {
            round.read += bytes;
        }
    }

    pub(super) fn end(&self) {
        *self.0.lock() = None;
    }

    pub(in crate::duties) fn status(&self, now: Duration, rounds: u64) -> ScrubStatus {
        let Some(Round { began, read, total }) = &*self.0.lock() else {
            return ScrubStatus { rounds, ..ScrubStatus::default() };
        };
        let passed_ms = u64::try_from(now.saturating_sub(*began).as_millis()).unwrap_or(u64::MAX).max(1);
        let bytes_per_second = read.saturating_mul(1000) / passed_ms;
        let seconds_left = total.saturating_sub(*read).checked_div(bytes_per_second);
        ScrubStatus { rounds, read_bytes: *read, total_bytes: *total, bytes_per_second, seconds_left }
    }
}
