//! How the scrubber's round over this node's drives and ranges gets on.
//!
//! Must not know: what it does with what it finds.

use std::collections::BTreeMap;
use std::time::Duration;

use couronne_ring::DriveId;
use parking_lot::Mutex;

/// A drive in the scrubber's round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveScrub {
    /// Which.
    pub drive: DriveId,
    /// Bytes of shards read in the round under way, or in the last one.
    pub read_bytes: u64,
    /// Bytes there were to be read when it began.
    pub total_bytes: u64,
}

/// The scrubber's rounds over the drives of a node, and the ranges that it leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubStatus {
    /// Rounds finished since the start.
    pub rounds: u64,
    /// When the last one ended, in milliseconds since 1970; unset: none has since the start.
    pub ended_ms: Option<u64>,
    /// Whether a round is under way.
    pub is_running: bool,
    /// From shards to owners: the drives.
    pub drives: Vec<DriveScrub>,
    /// From owners to shards: blobs looked for in the round under way, or in the last one.
    pub looked_blobs: u64,
    /// Blobs that the round before looked for; unset: there was none.
    pub total_blobs: Option<u64>,
    /// Bytes read in a second, in the round under way.
    pub bytes_per_second: u64,
    /// Seconds until its drives are read; unset: nothing to tell it by.
    pub seconds_left: Option<u64>,
    /// Shards found missing or wrong since the start.
    pub found: u64,
    /// Chunks of which shards were put back since the start.
    pub healed: u64,
}

#[derive(Clone, Copy, Default)]
struct Reading {
    read: u64,
    total: u64,
    /// When the drive was read; until then it is being read.
    ended: Option<Duration>,
}

/// What is known of the rounds, in memory only.
#[derive(Default)]
struct Rounds {
    began: Option<Duration>,
    finished: u64,
    ended_ms: Option<u64>,
    drives: BTreeMap<DriveId, Reading>,
    looked: u64,
    looked_before: Option<u64>,
    found: u64,
    healed: u64,
}

/// The round under way, if there is one, and what came of those before.
#[derive(Default)]
pub(in crate::duties) struct ScrubProgress(Mutex<Rounds>);

impl ScrubProgress {
    pub(super) fn begin(&self, now: Duration, drives: impl Iterator<Item = (DriveId, u64)>) {
        let mut rounds = self.0.lock();
        rounds.looked_before = rounds.ended_ms.map(|_| rounds.looked);
        rounds.looked = 0;
        rounds.began = Some(now);
        rounds.drives = drives.map(|(drive, total)| (drive, Reading { total, ..Reading::default() })).collect();
    }

    pub(super) fn read(&self, drive: DriveId, bytes: u64) {
        if let Some(reading) = self.0.lock().drives.get_mut(&drive) {
            reading.read += bytes;
        }
    }

    pub(super) fn drive_read(&self, drive: DriveId, now: Duration) {
        if let Some(reading) = self.0.lock().drives.get_mut(&drive) {
            reading.ended = Some(now);
        }
    }

    pub(super) fn looked(&self, blobs: u64) {
        self.0.lock().looked += blobs;
    }

    pub(super) fn found(&self, shards: u64, healed: u64) {
        let mut rounds = self.0.lock();
        rounds.found += shards;
        rounds.healed += healed;
    }

    pub(super) fn end(&self, wall_ms: u64) {
        let mut rounds = self.0.lock();
        rounds.began = None;
        rounds.finished += 1;
        rounds.ended_ms = Some(wall_ms);
    }

    pub(in crate::duties) fn is_running(&self) -> bool {
        self.0.lock().began.is_some()
    }

    pub(in crate::duties) fn status(&self, now: Duration) -> ScrubStatus {
        let rounds = self.0.lock();
        let mut status = ScrubStatus {
            rounds: rounds.finished,
            ended_ms: rounds.ended_ms,
            is_running: rounds.began.is_some(),
            looked_blobs: rounds.looked,
            total_blobs: rounds.looked_before,
            found: rounds.found,
            healed: rounds.healed,
            ..ScrubStatus::default()
        };
        for (drive, Reading { read, total, ended }) in &rounds.drives {
            // What was deleted meanwhile, or stands between shards, is not read.
            let read_bytes = if ended.is_some() { *total } else { *read };
            status.drives.push(DriveScrub { drive: *drive, read_bytes, total_bytes: *total });
            let Some(began) = rounds.began.filter(|_| ended.is_none()) else { continue };
            let passed_ms = u64::try_from(now.saturating_sub(began).as_millis()).unwrap_or(u64::MAX).max(1);
            let rate = read.saturating_mul(1000) / passed_ms;
            status.bytes_per_second += rate;
            // The drives are read side by side: the slowest decides.
            status.seconds_left = status.seconds_left.max(total.saturating_sub(*read).checked_div(rate));
        }
        status
    }
}
