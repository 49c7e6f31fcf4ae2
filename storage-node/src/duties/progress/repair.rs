//! How repair gets on: what is known of each range led here, and how fast bytes move.
//!
//! Promises: nothing is shown as done that was not looked at with the drives as they stand now.
//! Must not know: how a chunk is repaired.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use couronne_metadata::ids::RangeId;
use couronne_metadata::record::RepairRecord;
use couronne_placement::BlobId;
use parking_lot::Mutex;

use super::super::eta::{EtaEstimator, WorkEstimate};
use super::super::snapshot::DriveSnapshot;
use super::super::walk::BlobWalk;
use crate::replicas::RangeServer;

/// Repair of the ranges that a node leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairStatus {
    /// Blobs that could be better with the drives that serve now, or that were not looked at yet.
    pub pending_blobs: u64,
    /// Their chunks, as far as they were counted.
    pub pending_chunks: u64,
    /// Ranges with a replica that serves and is still to become a member, and replicas here that are to get
    /// their rows back.
    pub pending_ranges: u64,
    /// Blobs that are as good as can be, and wait for a drive.
    pub parked_blobs: u64,
    /// Bytes of shards that were put since the start.
    pub rebuilt_bytes: u64,
    /// Bytes of shards put in a second, of late.
    pub bytes_per_second: u64,
    /// Seconds until all of these are done, by what was done of late; unset: nothing to tell it by, as before
    /// everything was counted.
    pub seconds_left: Option<u64>,
    /// How many more losses the worst of the blobs that are not whole survives; unset: none is known.
    pub survives: Option<i16>,
    /// Chunks looked at since something last was to be done.
    pub done_chunks: u64,
    /// Seconds since then; 0: nothing is to be done.
    pub seconds_passed: u64,
    /// What survives fewer losses than its policy promises, by how many it still survives; below zero it
    /// cannot be read now.
    pub degraded: BTreeMap<i16, Degraded>,
    /// How long a drive is waited for, in seconds.
    pub grace_s: u64,
    /// Repair rows that are counted above, by how much they survive.
    pub listed_rows: u64,
    /// Ranges whose rows were not listed since the drives stand as they do: what they survive may be less.
    pub unlisted: Vec<RangeId>,
}

/// Blobs whose worst chunk survives so many losses, and their chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Degraded {
    /// Blobs.
    pub blobs: u64,
    /// All their chunks.
    pub chunks: u64,
}

/// A blob that is as good as it can be now.
#[derive(Clone, Copy)]
pub(in crate::duties) struct Parked {
    /// How many more losses its worst chunk survives.
    pub(in crate::duties) survives: i16,
    /// How many shards of its worst chunk are nowhere.
    pub(in crate::duties) missing: u8,
    /// Whether that is fewer than its policy promises.
    pub(in crate::duties) is_degraded: bool,
    /// Its chunks.
    pub(in crate::duties) chunks: u64,
    /// When that was seen.
    pub(in crate::duties) since: Duration,
}

/// What is known of a range.
#[derive(Default)]
pub(in crate::duties) struct RangeProgress {
    /// The term it is led in.
    term: u64,
    /// How the drives stood when the rows were listed last; unset: they were not.
    pub(in crate::duties) snapshot: Option<Arc<DriveSnapshot>>,
    /// The version of the map up to whose losses sweeps are finished, as the range's row says; unset: it was not read
    /// yet.
    pub(in crate::duties) swept: Option<u64>,
    /// The newest loss of the sweep that is not finished, and how far it got; unset: none was begun.
    pub(in crate::duties) unfinished: Option<(u64, BlobWalk)>,
    /// How many blobs the last sweep saw, and the one under way has seen.
    pub(in crate::duties) blobs: u64,
    pub(in crate::duties) looked: u64,
    /// RepairRows that need not be looked at again while the drives stand as they do.
    pub(in crate::duties) parked: BTreeMap<BlobId, Parked>,
    /// RepairRows that are to be looked at, by how many more losses they say that their blobs survive.
    pub(in crate::duties) pending: BTreeMap<i16, Degraded>,
    /// Their chunks that were not looked at yet.
    pub(in crate::duties) left: WorkEstimate,
    /// An operator wants every blob looked for.
    pub(in crate::duties) is_started: bool,
}

/// What the repairer knows, in memory only.
#[derive(Default)]
pub(in crate::duties) struct Progress {
    ranges: Mutex<BTreeMap<RangeId, RangeProgress>>,
    speed: Mutex<EtaEstimator>,
    /// When something last began to be pending, and the chunks that were done before.
    began: Mutex<(Duration, u64)>,
}

impl Progress {
    /// Looks at or changes what is known of a range.
    pub(in crate::duties) fn range<T>(&self, id: RangeId, with: impl FnOnce(&mut RangeProgress) -> T) -> T {
        with(self.ranges.lock().entry(id).or_default())
    }

    /// Forgets the ranges that are not led here any more, or were not all the time: others may have changed
    /// them. `led` tells the terms.
    pub(in crate::duties) fn keep_only(&self, led: &BTreeMap<RangeId, u64>) {
        let mut ranges = self.ranges.lock();
        ranges.retain(|id, range| led.get(id) == Some(&range.term));
        for (id, term) in led {
            ranges.entry(*id).or_insert_with(|| RangeProgress { term: *term, ..RangeProgress::default() });
        }
    }

    /// Has everything in these ranges, led in these terms, looked at anew: every blob is looked for, and none is
    /// parked.
    pub(in crate::duties) fn start(&self, led: BTreeMap<RangeId, u64>) {
        for (id, term) in led {
            self.range(id, |range| *range = RangeProgress { term, is_started: true, ..RangeProgress::default() });
        }
    }

    /// What is known of a blob that is as good as it can be, in a range led in this term, and whether the drives stood as
    /// they do now when that was seen.
    pub(in crate::duties) fn parked(
        &self,
        (id, term): (RangeId, u64),
        blob: BlobId,
        now: &DriveSnapshot,
    ) -> Option<(Parked, bool)> {
        let ranges = self.ranges.lock();
        let range = ranges.get(&id).filter(|range| range.term == term)?;
        Some((*range.parked.get(&blob)?, range.snapshot.as_deref() == Some(now)))
    }

    /// Whether no chunk is known that is to be looked at.
    pub(in crate::duties) fn is_idle(&self) -> bool {
        self.ranges.lock().values().all(|range| range.left.items == 0)
    }

    /// Everything is listed and repair begins, or goes on with the drives as they stand now.
    pub(in crate::duties) fn begin(&self, now: Duration, was_idle: bool) {
        let mut speed = self.speed.lock();
        speed.begin(now);
        if was_idle {
            *self.began.lock() = (now, speed.all_done().items);
        }
    }

    /// Notes a chunk that was looked at, and the bytes that it took.
    pub(in crate::duties) fn chunk_done(&self, now: Duration, range: RangeId, work: WorkEstimate, bytes: u64) {
        self.range(range, |range| range.left = range.left - work);
        self.speed.lock().done(now, work, bytes);
    }

    /// How repair of the ranges led in these terms gets on, with the drives as they stand now.
    pub(in crate::duties) fn status(
        &self,
        led: BTreeMap<RangeId, u64>,
        snapshot: &DriveSnapshot,
        now: Duration,
        bytes_per_second_max: u64,
    ) -> RepairStatus {
        let (mut status, mut left, mut is_counted) = (RepairStatus::default(), WorkEstimate::default(), true);
        {
            let ranges = self.ranges.lock();
            for (id, term) in led {
                let range = ranges.get(&id).filter(|range| range.term == term);
                if !range.is_some_and(|range| range.is_listed(snapshot)) {
                    status.unlisted.push(id);
                }
                match range {
                    Some(range) => {
                        range.add_to(&mut status, snapshot);
                        left = left + range.left;
                        is_counted &= range.is_counted(snapshot);
                    }
                    None => {
                        status.pending_blobs += 1;
                        is_counted = false;
                    }
                }
            }
        }
        status.pending_chunks = left.items;
        let speed = self.speed.lock();
        let (began, done_before) = *self.began.lock();
        status.done_chunks = speed.all_done().items - done_before;
        status.rebuilt_bytes = speed.bytes();
        status.bytes_per_second = speed.bytes_per_second(now);
        if left.items > 0 {
            status.seconds_passed = now.saturating_sub(began).as_secs();
        }
        if is_counted && left.items > 0 {
            status.seconds_left = speed.seconds_left(now, left, bytes_per_second_max);
        }
        status
    }
}

impl RangeProgress {
    /// A row is not pending any more.
    pub(in crate::duties) fn settle(&mut self, row: &RepairRecord) {
        if let Some(level) = self.pending.get_mut(&survives(row)) {
            level.blobs = level.blobs.saturating_sub(1);
            level.chunks = level.chunks.saturating_sub(row.blob.geometry.chunks(row.blob.len));
        }
    }

    fn pending_blobs(&self) -> u64 {
        self.pending.values().map(|level| level.blobs).sum()
    }

    /// Whether everything that is to be looked at is known, given how the drives stand now.
    fn is_counted(&self, now: &DriveSnapshot) -> bool {
        self.is_listed(now) && self.is_swept(now) && !self.is_started
    }

    /// Whether the rows were listed with the drives as they stand now.
    fn is_listed(&self, now: &DriveSnapshot) -> bool {
        self.snapshot.as_deref() == Some(now)
    }

    /// Whether every blob was looked through for all that may be gone.
    fn is_swept(&self, now: &DriveSnapshot) -> bool {
        self.swept.is_some_and(|swept| now.newest_loss() <= swept)
    }

    /// Adds what is known of the range, given how the drives stand now.
    fn add_to(&self, status: &mut RepairStatus, now: &DriveSnapshot) {
        status.pending_blobs += u64::from(self.is_started);
        let parked = u64::try_from(self.parked.len()).unwrap_or(u64::MAX);
        status.listed_rows += self.pending_blobs() + parked;
        if !self.is_swept(now) {
            status.pending_blobs += self.blobs.saturating_sub(self.looked).max(1);
        }
        if self.is_listed(now) {
            status.pending_blobs += self.pending_blobs();
            status.parked_blobs += parked;
        } else {
            status.pending_blobs += (self.pending_blobs() + parked).max(1);
        }
        let worst = self.parked.values().map(|parked| parked.survives).min();
        let worst_pending = self.pending.iter().find(|(_, level)| level.blobs > 0).map(|(survives, _)| *survives);
        status.survives = [status.survives, worst, worst_pending].into_iter().flatten().min();
        let parked = self.parked.values().filter(|parked| parked.is_degraded);
        let parked = parked.map(|parked| (parked.survives, Degraded { blobs: 1, chunks: parked.chunks }));
        let pending = self.pending.iter().map(|(survives, level)| (*survives, *level));
        for (survives, level) in parked.chain(pending).filter(|(_, level)| level.blobs > 0) {
            let sum = status.degraded.entry(survives).or_default();
            sum.blobs += level.blobs;
            sum.chunks += level.chunks;
        }
    }
}

/// The terms in which ranges are led here.
pub(in crate::duties) fn terms(leaders: &[Arc<RangeServer>]) -> BTreeMap<RangeId, u64> {
    let term = |leader: &Arc<RangeServer>| Some((leader.descriptor().id, leader.consensus().leadership()?.term));
    leaders.iter().filter_map(term).collect()
}

/// How many more shards a blob's worst chunk may lose, as its row says.
pub(in crate::duties) fn survives(row: &RepairRecord) -> i16 {
    i16::from(row.blob.geometry.m()) - i16::from(row.missing)
}
