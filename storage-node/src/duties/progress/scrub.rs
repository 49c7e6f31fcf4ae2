//! How the scrubber's round over this node's drives and ranges gets on.
//!
//! Must not know: what it does with what it finds.

use std::collections::BTreeMap;
use std::time::Duration;

use couronne_ring::DriveId;
use parking_lot::Mutex;

use super::super::eta::{EtaEstimator, WorkEstimate};

/// A drive in the scrubber's round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveScrub {
    /// Which.
    pub drive: DriveId,
    /// Bytes of shards read in the round under way, or in the last one.
    pub read_bytes: u64,
    /// Bytes there were to be read when it began; 0 until they are counted.
    pub total_bytes: u64,
}

/// The scrubber's rounds over the drives of a node, and the ranges that it leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubStatus {
    /// ScrubRounds finished since the start.
    pub rounds: u64,
    /// When the last one ended, in milliseconds since 1970; unset: none has since the start.
    pub ended_ms: Option<u64>,
    /// Whether a round is under way.
    pub is_running: bool,
    /// From shards to owners: the drives.
    pub drives: Vec<DriveScrub>,
    /// From owners to shards: chunks looked for in the round under way, or in the last one.
    pub looked_chunks: u64,
    /// Chunks there were to be looked for when it began; unset until they are counted.
    pub total_chunks: Option<u64>,
    /// Bytes read in a second, of late.
    pub bytes_per_second: u64,
    /// Seconds since the round under way began; 0: none is.
    pub seconds_passed: u64,
    /// Seconds until the round ends; unset: nothing to tell it by, as before everything is counted.
    pub seconds_left: Option<u64>,
    /// Shards found missing or wrong since the start.
    pub found: u64,
    /// Chunks of which shards were put back since the start.
    pub healed: u64,
    /// Within how long everything is to be scrubbed once, in seconds.
    pub cycle_s: u64,
}

/// What is done by itself in a round: reading a drive, or looking for all chunks.
#[derive(Default)]
struct Part {
    /// What there was to be done when it began, once it is counted, and the bytes that may be read in a second.
    total: Option<(WorkEstimate, u64)>,
    speed: EtaEstimator,
    is_ended: bool,
}

impl Part {
    fn seconds_left(&self, now: Duration) -> Option<u64> {
        if self.is_ended {
            return Some(0);
        }
        let (total, pace) = self.total?;
        self.speed.seconds_left(now, total - self.speed.all_done(), pace)
    }
}

/// What is known of the rounds, in memory only.
#[derive(Default)]
struct ScrubRounds {
    /// Since when a round is under way, if one is.
    since: Option<Duration>,
    finished: u64,
    ended_ms: Option<u64>,
    drives: BTreeMap<DriveId, Part>,
    look: Part,
    found: u64,
    healed: u64,
}

/// The round under way, if there is one, and what came of those before.
#[derive(Default)]
pub(in crate::duties) struct ScrubProgress(Mutex<ScrubRounds>);

/// Which part of a round.
#[derive(Clone, Copy)]
pub(in crate::duties) enum Of {
    Drive(DriveId),
    Look,
}

impl ScrubProgress {
    pub(in crate::duties) fn begin(&self, now: Duration, drives: impl Iterator<Item = DriveId>) {
        let mut rounds = self.0.lock();
        rounds.since = Some(now);
        rounds.drives = drives.map(|drive| (drive, Part::default())).collect();
        rounds.look = Part::default();
    }

    fn part(&self, of: Of, with: impl FnOnce(&mut Part)) {
        let mut rounds = self.0.lock();
        let part = match of {
            Of::Drive(drive) => rounds.drives.get_mut(&drive),
            Of::Look => Some(&mut rounds.look),
        };
        part.map(with);
    }

    /// A part begins that has so much to do, and may read so many bytes in a second.
    pub(in crate::duties) fn counted(&self, of: Of, now: Duration, total: WorkEstimate, pace: u64) {
        self.part(of, |part| {
            part.total = Some((total, pace));
            part.speed.begin(now);
        });
    }

    pub(in crate::duties) fn done(&self, of: Of, now: Duration, work: WorkEstimate) {
        self.part(of, |part| part.speed.done(now, work, work.paced));
    }

    pub(in crate::duties) fn part_ended(&self, of: Of) {
        self.part(of, |part| part.is_ended = true);
    }

    pub(in crate::duties) fn found(&self, shards: u64, healed: u64) {
        let mut rounds = self.0.lock();
        rounds.found += shards;
        rounds.healed += healed;
    }

    pub(in crate::duties) fn end(&self, wall_ms: u64) {
        let mut rounds = self.0.lock();
        rounds.since = None;
        rounds.finished += 1;
        rounds.ended_ms = Some(wall_ms);
    }

    pub(in crate::duties) fn is_running(&self) -> bool {
        self.0.lock().since.is_some()
    }

    pub(in crate::duties) fn status(&self, now: Duration) -> ScrubStatus {
        let rounds = self.0.lock();
        let mut status = ScrubStatus {
            rounds: rounds.finished,
            ended_ms: rounds.ended_ms,
            is_running: rounds.since.is_some(),
            looked_chunks: rounds.look.speed.all_done().items,
            total_chunks: rounds.look.total.map(|(total, _)| total.items),
            found: rounds.found,
            healed: rounds.healed,
            ..ScrubStatus::default()
        };
        for (drive, part) in &rounds.drives {
            let total_bytes = part.total.map_or(0, |(total, _)| total.paced);
            // What was deleted meanwhile is not read, and what came meanwhile was not counted.
            let read_bytes = if part.is_ended { total_bytes } else { part.speed.bytes().min(total_bytes) };
            status.drives.push(DriveScrub { drive: *drive, read_bytes, total_bytes });
            if !part.is_ended {
                status.bytes_per_second += part.speed.bytes_per_second(now);
            }
        }
        if let Some(since) = rounds.since {
            status.seconds_passed = now.saturating_sub(since).as_secs();
            // The parts are done side by side: the slowest decides.
            let left = rounds.drives.values().chain([&rounds.look]).map(|part| part.seconds_left(now));
            status.seconds_left = left.reduce(|one, other| Some(one?.max(other?))).flatten();
        }
        status
    }
}
