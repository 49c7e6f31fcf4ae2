//! How repair gets on: what is known of each range led here, and how fast bytes move.
//!
//! Promises: nothing is shown as done that was not looked at with the drives as they stand now.
//! Must not know: how a chunk is repaired.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use couronne_metadata::ids::RangeId;
use couronne_metadata::record::RepairRecord;
use couronne_placement::BlobId;
use parking_lot::Mutex;

use super::super::standing::Standing;
use crate::losses::Cause;
use crate::node::LocalNode;
use crate::range_server::RangeServer;

/// Over how long the rate is taken.
const RATE_SPAN: Duration = Duration::from_secs(60);

/// How far two samples of the rate are apart.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

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
    /// Seconds until nothing is pending, by the chunks done of late; unset: nothing to tell it by.
    pub seconds_left: Option<u64>,
    /// How many more losses the worst of the blobs that are not whole survives; unset: none is known.
    pub survives: Option<i16>,
    /// Chunks looked at since something last was to be done.
    pub done_chunks: u64,
    /// What survives fewer losses than its policy promises, by how many it still survives; below zero it
    /// cannot be read now.
    pub degraded: BTreeMap<i16, Degraded>,
    /// How long a drive is waited for, in seconds.
    pub grace_s: u64,
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
pub(super) struct Parked {
    /// How many more losses its worst chunk survives.
    pub(super) survives: i16,
    /// Whether that is fewer than its policy promises.
    pub(super) is_degraded: bool,
    /// Its chunks.
    pub(super) chunks: u64,
    /// When that was seen.
    pub(super) since: Duration,
}

/// What is known of a range.
#[derive(Default)]
pub(super) struct RangeProgress {
    /// The term it is led in.
    term: u64,
    /// How the drives stood when the rows were listed last; unset: they were not.
    pub(super) standing: Option<Arc<Standing>>,
    /// The causes that a finished sweep has looked for.
    pub(super) swept: BTreeSet<Cause>,
    /// How many blobs the last sweep saw, and the one under way has seen.
    pub(super) blobs: u64,
    pub(super) looked: u64,
    /// Rows that need not be looked at again while the drives stand as they do.
    pub(super) parked: BTreeMap<BlobId, Parked>,
    /// Rows that are to be looked at, by how many more losses they say that their blobs survive.
    pub(super) pending: BTreeMap<i16, Degraded>,
    /// Their chunks that were not looked at yet.
    pub(super) pending_chunks: u64,
    /// An operator wants every blob looked for.
    pub(super) is_started: bool,
}

#[derive(Default)]
struct Moved {
    bytes: u64,
    chunks: u64,
    /// The chunks when something last began to be pending.
    chunks_before: u64,
    samples: VecDeque<(Duration, u64, u64)>,
}

/// What the repairer knows, in memory only.
#[derive(Default)]
pub(in crate::duties) struct Progress {
    ranges: Mutex<BTreeMap<RangeId, RangeProgress>>,
    moved: Mutex<Moved>,
}

impl Progress {
    /// Looks at or changes what is known of a range.
    pub(super) fn range<T>(&self, id: RangeId, with: impl FnOnce(&mut RangeProgress) -> T) -> T {
        with(self.ranges.lock().entry(id).or_default())
    }

    /// Forgets the ranges that are not led here any more, or were not all the time: others may have changed
    /// them. `led` tells the terms.
    pub(super) fn keep_only(&self, led: &BTreeMap<RangeId, u64>) {
        let mut ranges = self.ranges.lock();
        ranges.retain(|id, range| led.get(id) == Some(&range.term));
        for (id, term) in led {
            ranges.entry(*id).or_insert_with(|| RangeProgress { term: *term, ..RangeProgress::default() });
        }
    }

    /// Has everything in these ranges, led in these terms, looked at anew: every blob is looked for, and none is
    /// parked.
    pub(super) fn start(&self, led: BTreeMap<RangeId, u64>) {
        for (id, term) in led {
            self.range(id, |range| *range = RangeProgress { term, is_started: true, ..RangeProgress::default() });
        }
    }

    /// Notes a chunk that was looked at, and the bytes that it took.
    pub(super) fn chunk_done(&self, now: Duration, range: RangeId, bytes: u64) {
        self.range(range, |range| range.pending_chunks = range.pending_chunks.saturating_sub(1));
        let mut moved = self.moved.lock();
        moved.bytes += bytes;
        moved.chunks += 1;
        moved.sample(now);
    }
}

impl Moved {
    fn sample(&mut self, now: Duration) {
        if self.samples.back().is_none_or(|(last, ..)| now.saturating_sub(*last) >= SAMPLE_EVERY) {
            self.samples.push_back((now, self.bytes, self.chunks));
        }
        while self.samples.front().is_some_and(|(first, ..)| now.saturating_sub(*first) > RATE_SPAN) {
            self.samples.pop_front();
        }
    }

    /// Bytes and thousandths of chunks in a second, of late.
    fn rate(&self, now: Duration) -> (u64, u64) {
        let Some((since, bytes, chunks)) = self.samples.front() else { return (0, 0) };
        let passed_ms = u64::try_from(now.saturating_sub(*since).as_millis()).unwrap_or(u64::MAX).max(1000);
        let per_second = |moved: u64| moved.saturating_mul(1000) / passed_ms;
        (per_second(self.bytes - bytes), per_second((self.chunks - chunks).saturating_mul(1000)))
    }
}

impl RangeProgress {
    /// A row is not pending any more.
    pub(super) fn settle(&mut self, row: &RepairRecord) {
        if let Some(level) = self.pending.get_mut(&survives(row)) {
            level.blobs = level.blobs.saturating_sub(1);
            level.chunks = level.chunks.saturating_sub(row.blob.geometry.chunks(row.blob.len));
        }
    }

    fn pending_blobs(&self) -> u64 {
        self.pending.values().map(|level| level.blobs).sum()
    }

    /// Adds what is known of the range, given how the drives stand now.
    fn add_to(&self, status: &mut RepairStatus, now: &Standing) {
        status.pending_blobs += u64::from(self.is_started);
        let parked = u64::try_from(self.parked.len()).unwrap_or(u64::MAX);
        if !now.causes().is_subset(&self.swept) {
            status.pending_blobs += self.blobs.saturating_sub(self.looked).max(1);
        }
        if self.standing.as_deref() == Some(now) {
            status.pending_blobs += self.pending_blobs();
            status.parked_blobs += parked;
        } else {
            status.pending_blobs += (self.pending_blobs() + parked).max(1);
        }
        status.pending_chunks += self.pending_chunks;
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

/// How repair of the ranges led by a node gets on.
pub(in crate::duties) fn status(node: &LocalNode) -> RepairStatus {
    let (progress, standing) = (&node.duties.repair, Standing::of(node));
    let reports = u64::try_from(node.duties.reports.lock().len()).unwrap_or(u64::MAX);
    let mut status = RepairStatus { pending_blobs: reports, ..RepairStatus::default() };
    let leaders = node.leaders();
    {
        let ranges = progress.ranges.lock();
        for leader in &leaders {
            let term = leader.consensus().leadership().map(|leadership| leadership.term);
            match ranges.get(&leader.descriptor().id).filter(|range| Some(range.term) == term) {
                Some(range) => range.add_to(&mut status, &standing),
                None => status.pending_blobs += 1,
            }
        }
    }
    let servers = node.all_servers();
    let leading = servers.iter().filter(|server| server.consensus().leadership().is_some());
    let lacking = leading.filter(|leader| lacks_members(node, leader, &standing)).count();
    status.pending_ranges = u64::try_from(lacking + node.replicas_wanting()).unwrap_or(u64::MAX);
    status.grace_s = node.duties.settings.repair_grace.as_secs();
    let mut moved = progress.moved.lock();
    if status.pending_blobs == 0 && status.pending_chunks == 0 {
        moved.chunks_before = moved.chunks;
    }
    status.done_chunks = moved.chunks.saturating_sub(moved.chunks_before);
    let now = node.env().clock.steady();
    moved.sample(now);
    let (bytes, chunk_thousandths) = moved.rate(now);
    status.rebuilt_bytes = moved.bytes;
    status.bytes_per_second = bytes;
    status.seconds_left = match status.pending_chunks {
        0 => None,
        chunks => chunks.saturating_mul(1000).checked_div(chunk_thousandths),
    };
    status
}

/// Whether replicas that serve are still to become members of a range: its rows do not survive yet what
/// its blobs do.
fn lacks_members(node: &LocalNode, leader: &RangeServer, standing: &Standing) -> bool {
    let map = node.map();
    let Some(range) = map.range(leader.descriptor().id) else { return false };
    let wanted: BTreeSet<_> = range.replicas.keys().copied().collect();
    leader.consensus().settled_members().voters != [wanted]
        && range.replicas.values().all(|drive| standing.up.contains(drive))
}

/// How many more shards a blob's worst chunk may lose, as its row says.
pub(super) fn survives(row: &RepairRecord) -> i16 {
    i16::from(row.blob.geometry.m()) - i16::from(row.missing)
}
