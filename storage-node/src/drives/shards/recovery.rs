//! What a drive does before it serves: read again what its index does not cover.
//!
//! Promises: afterwards the index covers every record that was acknowledged and is there, and every sound segment is
//! sealed; what was durable and is gone is told; running it again, after a crash in the middle, ends the same.
//! Must not know: requests.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::mutant;
use couronne_metadata::store::{Batch, Store, StoreError};
use couronne_ring::DriveId;
use futures_util::stream::{self, StreamExt};

use super::OpenError;
use super::identity::Identity;
use super::record::RecordPlace;
use super::row::{self, SegmentRow, SegmentState};
use super::scan::{self, Scan};
use super::segment::{self, Class, PAGE_BYTES, SegmentNumber, SegmentPage};
use super::segment_manager::SegmentManager;
use super::shard_index::{Durable, ShardIndex};
use crate::disk::Disk;
use crate::drives::threads::{LONG_CALL_TIME_MAX, StoreThreads};

/// Records applied to the index at once.
const APPLY_RECORDS: usize = 512;

/// Sealed segments whose pages a start looks at, the newest first: the scrubber reads what is in the others.
const SEALED_JUDGED_MAX: usize = 4096;

/// Files looked at at once.
const JUDGED_AT_ONCE: usize = 32;

/// Makes sure that the index is this drive's; an index that is empty or another's is begun anew.
pub(super) async fn claim_index(
    index: &Arc<dyn Store>,
    threads: &StoreThreads,
    drive: DriveId,
    rebuild: bool,
) -> Result<(), StoreError> {
    let index = Arc::clone(index);
    let claim = move || {
        let expected = row::identity_value(drive);
        // What is made anew is not read: its rows may be rotten.
        if !rebuild && index.view().get(row::IDENTITY_KEY)?.as_ref() == Some(&expected) {
            return Ok(());
        }
        index.wipe()?;
        let mut batch = Batch::default();
        batch.put(Bytes::from_static(row::IDENTITY_KEY), expected);
        index.apply(&batch)
    };
    threads.run_within(LONG_CALL_TIME_MAX, claim).await?
}

/// What a start found.
pub(super) struct RecoveredSegments {
    /// The sequence of the next record.
    pub(super) next: u64,
    /// Segments of which something is gone that was durable.
    pub(super) lost: Vec<LostSegment>,
}

/// A segment of which something is gone that was durable.
#[derive(Clone, Copy, Debug)]
pub(super) struct LostSegment {
    pub(super) number: SegmentNumber,
    pub(super) class: Class,
    /// What becomes of it once the cluster knows: lost, or sealed if only its end is gone.
    pub(super) becomes: SegmentState,
}

/// Brings the index up to date. What is found lost is found again by each start, until it is settled.
pub(super) async fn recover(
    disk: &Arc<dyn Disk>,
    segments: &SegmentManager,
    index: &ShardIndex,
    identity: &Identity,
) -> Result<RecoveredSegments, OpenError> {
    segments.reserve(last_before_boot(identity.boots));
    disk.create_folder(segment::FOLDER).await?;
    let names = disk.list(segment::FOLDER).await?;
    let files: BTreeMap<SegmentNumber, Class> = names.iter().filter_map(|name| segment::parse_name(name)).collect();
    let is_here = |number: &SegmentNumber, row: &SegmentRow| files.get(number) == Some(&row.class);
    for (number, row) in index.segments().into_iter().filter(|(number, row)| is_here(number, row)) {
        segments.add(number, row.class);
    }
    let (mut unread, mut lost) = (Vec::new(), Vec::new());
    for judged in judge_all(disk, identity.drive, index, &files).await {
        let (number, class, verdict) = judged?;
        match verdict {
            Verdict::Sound => {}
            Verdict::Read { generation, len } => {
                if index.segment(number).is_none() {
                    segments.add(number, class);
                    index.add(number, class, generation, len);
                }
                unread.push((number, class));
            }
            Verdict::Stray => segments.remove_stray(number, class).await?,
            Verdict::Damaged => {
                tracing::error!(segment = number.0, "segment is damaged; what is not indexed is not read");
                segments.reserve(number);
                lost.push(LostSegment { number, class, becomes: SegmentState::Lost });
            }
        }
    }
    unread.sort_unstable();
    for (number, class) in unread {
        if read_again(segments, index, number).await? {
            index.set_state(number, SegmentState::Sealed, false).await?;
        } else {
            tracing::error!(segment = number.0, "segment lacks records that were durable; its shards need repair");
            lost.push(LostSegment { number, class, becomes: SegmentState::Sealed });
        }
    }
    // What was read may have taken the place of all that counted in a segment that went before the index knew.
    for (number, row) in index.segments().into_iter().filter(|(number, row)| !is_here(number, row)) {
        match row.state {
            SegmentState::Lost => {}
            SegmentState::Sealed if row.live == 0 => index.forget(number).await?,
            _ => {
                tracing::error!(segment = number.0, "segment file is missing; its shards need repair");
                lost.push(LostSegment { number, class: row.class, becomes: SegmentState::Lost });
            }
        }
    }
    let sequences = index.segments().into_iter().map(|(_, row)| row.sequence_max);
    let next = sequences.max().unwrap_or(0).saturating_add(1).max(first_of_boot(identity.boots));
    index.serve(next);
    Ok(RecoveredSegments { next, lost })
}

/// The last segment number that earlier boots may have used. The index may have lost that a segment is
/// gone; were its number used again, the new one would be taken for the old, and not be read.
const fn last_before_boot(boots: u64) -> SegmentNumber {
    SegmentNumber(boots.saturating_mul(1 << 32))
}

/// The first sequence of a boot. A failed segment may hold records that the index never learnt of, and
/// that a later start finds: they must not outrank what is written after this start.
const fn first_of_boot(boots: u64) -> u64 {
    boots.saturating_mul(1 << 40)
}

/// What a file turned out to be.
enum Verdict {
    /// A sealed segment with its page and its length.
    Sound,
    /// A segment of this generation that is to be read, and the length of its file, in bytes.
    Read { generation: u64, len: u64 },
    /// A file that was being made a segment, or was one before: no record in it counts.
    Stray,
    /// Perhaps a segment: nothing is read, and nothing thrown away.
    Damaged,
}

/// Judges the segment files, but for those in which nothing counts and those known as lost; of sealed ones the newest.
async fn judge_all(
    disk: &Arc<dyn Disk>,
    drive: DriveId,
    index: &ShardIndex,
    files: &BTreeMap<SegmentNumber, Class>,
) -> Vec<Result<(SegmentNumber, Class, Verdict), OpenError>> {
    let mut sealed = 0;
    let mut is_judged = |row: &SegmentRow| match row.state {
        SegmentState::Open => true,
        SegmentState::Lost => false,
        SegmentState::Sealed => {
            sealed += usize::from(row.live > 0);
            row.live > 0 && sealed <= SEALED_JUDGED_MAX
        }
    };
    let files = files.iter().rev().map(|(number, class)| (*number, *class, index.segment(*number)));
    let judged = files.filter(|(.., known)| known.as_ref().is_none_or(&mut is_judged));
    let judging = judged.map(|(number, class, known)| async move {
        Ok((number, class, judge(disk, drive, number, class, known).await?))
    });
    stream::iter(judging.collect::<Vec<_>>()).buffered(JUDGED_AT_ONCE).collect().await
}

async fn judge(
    disk: &Arc<dyn Disk>,
    drive: DriveId,
    number: SegmentNumber,
    class: Class,
    known: Option<SegmentRow>,
) -> Result<Verdict, OpenError> {
    let file = disk.open(&segment::path(number, class), class.access()).await?;
    let page = match file.read(0, usize::try_from(PAGE_BYTES).unwrap_or(0)).await {
        Ok(page) => page,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && known.is_none() => return Ok(Verdict::Stray),
        Err(_) => return Ok(Verdict::Damaged),
    };
    let len = file.len().await?;
    Ok(match (SegmentPage::decode(&page), known) {
        (Some(found), Some(row)) if found.number == number && found.generation == row.generation && len >= row.len => {
            let is_open = row.state == SegmentState::Open;
            if is_open { Verdict::Read { generation: found.generation, len } } else { Verdict::Sound }
        }
        (Some(found), None) if found.number == number && found.class == class && found.drive == drive => {
            Verdict::Read { generation: found.generation, len }
        }
        (Some(found), None) if found.number != number && found.drive == drive => Verdict::Stray,
        (None, None) if page.iter().all(|byte| *byte == 0) => Verdict::Stray,
        _ => Verdict::Damaged,
    })
}

/// Applies what follows the indexed part of a segment, which is read from its start. Whether the indexed part is there:
/// all of it was durable, so what a crash may tear lies behind it.
///
/// A batch is written only after the one before it is durable, so only the last batch can be torn: its
/// payloads are verified, and a record whose payload is not whole was never acknowledged.
async fn read_again(segments: &SegmentManager, index: &ShardIndex, number: SegmentNumber) -> Result<bool, OpenError> {
    let Some(row) = index.segment(number) else { return Ok(false) };
    let Some(pinned) = segments.hold(number).await? else { return Ok(false) };
    let from = RecordPlace { generation: row.generation, offset: PAGE_BYTES, previous: row.generation };
    let mut scan = Scan::new(pinned, from).await?;
    if !ends_as_indexed(&mut scan, &row).await {
        return Ok(false);
    }
    let mut records: Vec<Durable> = Vec::new();
    let mut batch_start = 0;
    loop {
        let record = match scan.next().await {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(error) => {
                tracing::error!(segment = number.0, %error, "segment is not readable to its end");
                break;
            }
        };
        if record.header.first_of_batch {
            batch_start = records.len();
            if batch_start >= APPLY_RECORDS {
                index.apply(number, std::mem::take(&mut records)).await?;
                batch_start = 0;
            }
        }
        records.push(record);
    }
    let last_batch = records.split_off(batch_start);
    for record in last_batch {
        let whole = match scan.payload(&record).await {
            Ok(payload) => scan::is_whole(&record.header.subject, &payload),
            Err(_) => false,
        };
        if whole || mutant!(TrustTornBatch) {
            records.push(record);
        }
    }
    index.apply(number, records).await?;
    Ok(true)
}

/// Walks through the indexed part of a segment; whether it is all there.
async fn ends_as_indexed(scan: &mut Scan, row: &SegmentRow) -> bool {
    let (mut end, mut chain) = (PAGE_BYTES, row.generation);
    while end < row.end {
        let Ok(Some(record)) = scan.next().await else { return false };
        (end, chain) = (record.end(), record.checksum);
    }
    (end, chain) == (row.end, row.chain)
}
