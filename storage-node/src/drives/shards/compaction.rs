//! Making room: what still counts is copied out of segments that are mostly dead, and their files are
//! used again.
//!
//! Promises: a file goes only once the index that points elsewhere is durable and nobody reads it; a
//! tombstone goes only once no record older than it is left.
//! Must not know: why things were deleted.

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;
use couronne_base::mutant;
use couronne_metadata::store::View;
use couronne_protocol::shard::ShardError;
use futures_util::future::join_all;
use parking_lot::Mutex;

use super::core::Core;
use super::record::{Deleted, RecordPlace, RecordVersion, Subject};
use super::row::{SegmentRow, SegmentState, ShardRow, TombstoneRow};
use super::scan::{self, Scan};
use super::segment::{Class, PAGE_BYTES, SegmentNumber};
use super::segment_manager::Purpose;
use super::segment_writer::{Append, SegmentWriters};
use super::shard_index::Durable;
use super::unopened;
use crate::disk::is_out_of_files;

/// Bytes copied at once, so that copies share syncs.
const COPY_BYTES: usize = 4 << 20;

/// Segments emptied in one round: a start seals what was open, and little may be in it.
const SEGMENTS_PER_ROUND: usize = 4;

/// Tombstones looked at in one round.
const SWEEP_ROWS: usize = 4096;

/// What one round of maintenance did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Segments emptied by copying.
    pub compacted: u64,
    /// Segments whose space was given back or kept for another use.
    pub recycled: u64,
    /// Tombstones no longer needed.
    pub tombstones_dropped: u64,
    /// Whether the index was flushed.
    pub flushed: bool,
}

/// What maintenance remembers between rounds.
#[derive(Default)]
pub(super) struct Memory {
    state: Mutex<CompactionState>,
}

#[derive(Default)]
struct CompactionState {
    /// Segments that could not be emptied since the start: something in them does not verify.
    stuck: BTreeSet<SegmentNumber>,
    /// Where the sweep over tombstones goes on; `None` if no segment went since it last ended.
    sweep: Option<Bytes>,
}

/// One round: flush, compact a few segments, recycle, sweep.
pub(super) async fn round(core: &Core, writers: &SegmentWriters, memory: &Memory) -> Result<Maintained, ShardError> {
    core.health.check()?;
    let mut done = Maintained { flushed: flush_if_due(core).await?, ..Maintained::default() };
    done.recycled += recycle(core, memory).await?;
    for _ in 0..SEGMENTS_PER_ROUND {
        let Some(number) = candidate(core, memory).await else { break };
        match empty(core, writers, number).await {
            Ok(true) => done.compacted += 1,
            Ok(false) => drop(memory.state.lock().stuck.insert(number)),
            // Not even the reserve has room for the copies: the next deletions make some.
            Err(ShardError::Full) => break,
            Err(error) => return Err(error),
        }
        // At once, since on a full drive the next copies need the room.
        done.recycled += recycle(core, memory).await?;
    }
    done.tombstones_dropped = sweep(core, memory).await?;
    Ok(done)
}

async fn flush_if_due(core: &Core) -> Result<bool, ShardError> {
    let due = core.index.unflushed_records() >= core.settings.replay_records_max
        || core.index.unflushed_bytes() >= core.settings.unflushed_bytes_max;
    if due {
        flush(core).await?;
    }
    Ok(due)
}

/// Flushes the index.
pub(super) async fn flush(core: &Core) -> Result<(), ShardError> {
    core.stored(core.index.flush().await)
}

/// The sealed segment with the smallest part that counts, if it is worth it: a file's whole length is
/// what is won.
async fn candidate(core: &Core, memory: &Memory) -> Option<SegmentNumber> {
    let free = core.disk.space().await.ok()?.free;
    let pressed = free < core.settings.reserve_bytes.saturating_mul(2);
    let percent = if pressed { 90 } else { core.settings.compact_live_percent };
    let stuck = memory.state.lock().stuck.clone();
    let sealed = core
        .index
        .segments()
        .into_iter()
        .filter(|(number, row)| row.state == SegmentState::Sealed && row.live > 0 && !stuck.contains(number));
    let share = |row: &SegmentRow| row.live.saturating_mul(100) / capacity(core, row.class).max(1);
    let worth = sealed.filter(|(_, row)| row.failed || share(row) <= percent);
    worth.min_by_key(|(_, row)| (!row.failed, share(row))).map(|(number, _)| number)
}

const fn capacity(core: &Core, class: Class) -> u64 {
    match class {
        Class::Small => core.settings.small_segment_bytes,
        Class::Large => core.settings.large_segment_bytes,
    }
}

/// Copies what counts out of a segment; whether nothing is left that does.
async fn empty(core: &Core, writers: &SegmentWriters, number: SegmentNumber) -> Result<bool, ShardError> {
    let unreadable = |error: std::io::Error| ShardError::Corrupt(format!("segment {}: {error}", number.0));
    let Some(row) = core.index.segment(number) else { return Ok(true) };
    let pinned = core.segments.hold(number).await.map_err(|error| unopened(&error))?;
    let Some(pinned) = pinned else { return Ok(false) };
    let from = RecordPlace { generation: row.generation, offset: PAGE_BYTES, previous: row.generation };
    let mut scan = Scan::new(pinned, from).await.map_err(unreadable)?;
    let mut copies = Vec::new();
    while let Ok(Some(record)) = scan.next().await {
        if record.header.place.offset >= row.end {
            break;
        }
        if counts(core, number, &record).await? {
            copies.extend(copy(&scan, record).await);
        }
        if copies.iter().map(|copy: &Append| copy.payload.len()).sum::<usize>() >= COPY_BYTES {
            append_all(core, writers, number, &mut copies).await?;
        }
    }
    append_all(core, writers, number, &mut copies).await?;
    Ok(core.index.segment(number).is_none_or(|row| row.live == 0))
}

/// Whether the index points at this very record; a tombstone besides must still be needed.
async fn counts(core: &Core, number: SegmentNumber, record: &Durable) -> Result<bool, ShardError> {
    let header = &record.header;
    match &header.subject {
        Subject::Shard(facts) => {
            let row = core.stored(core.index.shard(facts.shard).await)?;
            Ok(row.is_some_and(|row| (row.segment, row.offset) == (number, header.place.offset)))
        }
        Subject::Tombstone(deleted) => {
            let Some(row) = core.stored(core.index.tombstone(*deleted).await)? else { return Ok(false) };
            if (row.segment, row.version) != (number, header.version) {
                return Ok(false);
            }
            // What is older only in this segment goes with it.
            let needed = row.older.iter().any(|older| *older != number && core.index.segment(*older).is_some());
            if !needed {
                core.stored(core.index.drop_tombstones(vec![(TombstoneRow::key(*deleted), row)]).await)?;
            }
            Ok(needed)
        }
    }
}

/// A record as it is appended elsewhere; `None` if its bytes do not verify, so that it stays where
/// scrub and repair find it.
async fn copy(scan: &Scan, record: Durable) -> Option<Append> {
    let payload = scan.payload(&record).await.ok()?;
    let header = record.header;
    if !scan::is_whole(&header.subject, &payload) {
        return None;
    }
    let version = RecordVersion { revision: header.version.revision.saturating_add(1), ..header.version };
    Some(Append { subject: header.subject, version, payload, purpose: Purpose::Duties })
}

async fn append_all(
    core: &Core,
    writers: &SegmentWriters,
    number: SegmentNumber,
    copies: &mut Vec<Append>,
) -> Result<(), ShardError> {
    core.health.check()?;
    for result in join_all(copies.drain(..).map(|append| writers.append(append, None))).await {
        if let Err(error) = result {
            tracing::warn!(segment = number.0, %error, "copying out of a segment failed");
            return Err(error);
        }
    }
    Ok(())
}

/// Gives back the files of segments in which nothing counts: none, until the cluster knows what the start found lost.
async fn recycle(core: &Core, memory: &Memory) -> Result<u64, ShardError> {
    if !core.lost.lock().is_empty() {
        return Ok(0);
    }
    let empty: Vec<(SegmentNumber, SegmentRow)> =
        core.index.segments().into_iter().filter(|(_, row)| row.state != SegmentState::Open && row.live == 0).collect();
    if empty.is_empty() {
        return Ok(0);
    }
    flush(core).await?;
    let mut recycled = 0;
    for (number, row) in empty {
        if !core.segments.take(number) {
            continue;
        }
        let worn = row.end.saturating_add(capacity(core, row.class) / 4) >= capacity(core, row.class);
        let is_sound = row.state == SegmentState::Sealed && !row.failed;
        if let Err(error) = core.segments.discard(number, row.class, worn && is_sound).await {
            core.segments.add(number, row.class);
            if is_out_of_files(&error) {
                return Err(ShardError::Overloaded);
            }
            return Err(core.health.failed("recycling a segment", &error));
        }
        core.stored(core.index.forget(number).await)?;
        recycled += 1;
        memory.state.lock().sweep.get_or_insert_default();
    }
    Ok(recycled)
}

/// Drops tombstones that outlived every older record.
async fn sweep(core: &Core, memory: &Memory) -> Result<u64, ShardError> {
    let Some(from) = memory.state.lock().sweep.clone() else { return Ok(0) };
    let page = move |view: &dyn View| {
        let (start, end) = TombstoneRow::all();
        let start = if from.is_empty() { Bound::Included(start) } else { Bound::Excluded(from.as_ref()) };
        let mut rows = view.scan(start, Bound::Excluded(end), false);
        let mut page = Vec::new();
        while page.len() < SWEEP_ROWS {
            let Some((key, value)) = rows.next()? else { break };
            page.push((key, TombstoneRow::decode(&value)?));
        }
        Ok(page)
    };
    let mut page = core.stored(core.index.read(page).await)?;
    let last = page.last().filter(|_| page.len() == SWEEP_ROWS).map(|(key, _)| key.clone());
    let is_outlived = |row: &TombstoneRow| row.older.iter().all(|older| core.index.segment(*older).is_none());
    page.retain(|(_, row)| is_outlived(row) || mutant!(DropTombstoneEarly));
    memory.state.lock().sweep = last;
    let dropped = page.len() as u64;
    core.stored(core.index.drop_tombstones(page).await)?;
    Ok(dropped)
}

/// Whether a tombstone or a shard row is what `deleted` names; used by deletions to see if there is
/// anything to delete.
pub(super) async fn holds_any(core: &Core, deleted: Deleted) -> Result<u64, ShardError> {
    let prefix = match deleted {
        Deleted::Blob(blob) => ShardRow::prefix(blob),
        Deleted::Shard(shard) => ShardRow::key(shard).to_vec(),
    };
    let count = move |view: &dyn View| {
        let mut rows = view.scan(Bound::Included(&prefix), Bound::Unbounded, false);
        let mut count = 0;
        while rows.next()?.is_some_and(|(key, _)| key.starts_with(&prefix)) {
            count += 1;
        }
        Ok(count)
    };
    core.stored(core.index.read(count).await)
}
