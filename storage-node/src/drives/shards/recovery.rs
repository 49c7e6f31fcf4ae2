//! What a drive does before it serves: read again what its index does not cover.
//!
//! Promises: afterwards the index covers every record that was acknowledged, and every segment there
//! is is sealed; running it again, after a crash in the middle, ends the same.
//! Must not know: requests.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::mutant;
use couronne_metadata::store::{Batch, Store, StoreError};
use couronne_ring::DriveId;

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
        let found = index.view().get(row::IDENTITY_KEY)?;
        if found.as_ref() == Some(&expected) && !rebuild {
            return Ok(());
        }
        index.wipe()?;
        let mut batch = Batch::default();
        batch.put(Bytes::from_static(row::IDENTITY_KEY), expected);
        index.apply(&batch)
    };
    threads.run_within(LONG_CALL_TIME_MAX, claim).await?
}

/// Brings the index up to date; returns the sequence of the next record.
pub(super) async fn recover(
    disk: &Arc<dyn Disk>,
    segments: &SegmentManager,
    index: &ShardIndex,
    identity: &Identity,
) -> Result<u64, OpenError> {
    let drive = identity.drive;
    segments.reserve(last_before_boot(identity.boots));
    disk.create_folder(segment::FOLDER).await?;
    let names = disk.list(segment::FOLDER).await?;
    let files: BTreeMap<SegmentNumber, Class> = names.iter().filter_map(|name| segment::parse_name(name)).collect();
    for (number, row) in index.segments() {
        match files.get(&number) {
            Some(class) if *class == row.class => segments.add(number, *class),
            // Emptied, and gone before the index knew.
            None if row.live == 0 => index.forget(number).await?,
            _ => tracing::error!(segment = number.0, "segment file is missing; its shards need repair"),
        }
    }
    let mut unread = Vec::new();
    for (number, class) in files {
        let known = index.segment(number);
        if known.is_some_and(|row| row.state == SegmentState::Sealed) {
            continue;
        }
        match judge(disk, drive, number, class, known).await? {
            Verdict::Read(generation) => {
                if known.is_none() {
                    segments.add(number, class);
                    index.add(number, class, generation, PAGE_BYTES);
                }
                unread.push(number);
            }
            Verdict::Stray => segments.remove_stray(number, class).await?,
            Verdict::Damaged => {
                tracing::error!(segment = number.0, "segment page is damaged; what is not indexed is not read");
                segments.reserve(number);
                index.set_state(number, SegmentState::Sealed, false).await?;
            }
        }
    }
    for number in unread {
        read_again(segments, index, number).await?;
        index.set_state(number, SegmentState::Sealed, false).await?;
    }
    let sequences = index.segments().into_iter().map(|(_, row)| row.sequence_max);
    let next = sequences.max().unwrap_or(0).saturating_add(1).max(first_of_boot(identity.boots));
    index.serve(next);
    Ok(next)
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
    /// A segment of this generation.
    Read(u64),
    /// A file that was being made a segment, or was one before: no record in it counts.
    Stray,
    /// Perhaps a segment: nothing is read, and nothing thrown away.
    Damaged,
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
    Ok(match (SegmentPage::decode(&page), known) {
        (Some(found), Some(row)) if found.number == number && found.generation == row.generation => {
            Verdict::Read(found.generation)
        }
        (Some(found), None) if found.number == number && found.class == class && found.drive == drive => {
            Verdict::Read(found.generation)
        }
        (Some(found), None) if found.number != number && found.drive == drive => Verdict::Stray,
        (None, None) if page.iter().all(|byte| *byte == 0) => Verdict::Stray,
        _ => Verdict::Damaged,
    })
}

/// Applies what follows the indexed part of a segment.
///
/// A batch is written only after the one before it is durable, so only the last batch can be torn: its
/// payloads are verified, and a record whose payload is not whole was never acknowledged.
async fn read_again(segments: &SegmentManager, index: &ShardIndex, number: SegmentNumber) -> Result<(), OpenError> {
    let Some(row) = index.segment(number) else { return Ok(()) };
    let Some(pinned) = segments.hold(number).await? else { return Ok(()) };
    let from = RecordPlace { generation: row.generation, offset: row.end, previous: row.chain };
    let mut scan = Scan::new(pinned, from).await?;
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
    Ok(())
}
