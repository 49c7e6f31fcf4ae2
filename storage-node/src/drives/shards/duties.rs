//! What only the node's own duties ask of a drive: deleting, listing, verifying, counting.

use std::ops::Bound;

use bytes::Bytes;
use couronne_metadata::store::View;
use couronne_placement::frame;
use couronne_placement::{BlobId, ShardId};
use couronne_protocol::shard::{Owner, ShardError};

use super::compaction::{self, Maintained};
use super::record::{Deleted, HEADER_BYTES_MAX, Header, RecordVersion, Subject};
use super::recovery::LostSegment;
use super::row::{SegmentState, ShardRow};
use super::segment::SegmentNumber;
use super::segment_manager::Purpose;
use super::segment_writer::Append;
use super::{Drive, check_owner, unopened};
use crate::disk::Space;

/// A shard as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedShard {
    /// Which shard.
    pub shard: ShardId,
    /// Whose.
    pub owner: Owner,
    /// Its length in bytes.
    pub shard_len: u32,
    /// The segment it stands in.
    pub segment: SegmentNumber,
}

/// How a drive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The space of its file system.
    pub space: Space,
    /// Bytes of records that count.
    pub live_bytes: u64,
    /// Bytes of records that do not: what compaction can win.
    pub dead_bytes: u64,
    /// Segments there are.
    pub segments: u64,
    /// Segments being appended to.
    pub open_segments: u64,
    /// Payload bytes that wait to be written.
    pub queued_bytes: u64,
    /// Why it is down, if it is.
    pub down: Option<String>,
}

impl Drive {
    /// Deletes all shards of a blob that are here, and returns how many there were. Durable when it
    /// returns; shards whose write was asked for later are not meant. What is not here
    /// costs nothing. A blob of another owner is refused.
    pub async fn delete_blob(&self, blob: BlobId, owner: &Owner) -> Result<u64, ShardError> {
        check_owner(blob, owner)?;
        self.delete(Deleted::Blob(blob)).await
    }

    /// Deletes one shard, as [`Self::delete_blob`] does; returns whether it was here.
    pub async fn delete_shard(&self, shard: ShardId, owner: &Owner) -> Result<bool, ShardError> {
        check_owner(shard.chunk.blob, owner)?;
        Ok(self.delete(Deleted::Shard(shard)).await? > 0)
    }

    async fn delete(&self, deleted: Deleted) -> Result<u64, ShardError> {
        let core = &self.core;
        core.health.check()?;
        let count = compaction::holds_any(core, deleted).await?;
        // A failed segment may hold records that the index never learnt of.
        if count > 0 || core.index.any_failed() {
            let version = RecordVersion { sequence: core.next_sequence(), revision: 0 };
            let (subject, payload, purpose) = (Subject::Tombstone(deleted), Bytes::new(), Purpose::Duties);
            let blob = match deleted {
                Deleted::Blob(blob) => blob,
                Deleted::Shard(shard) => shard.chunk.blob,
            };
            core.half_deleted.lock().insert(blob);
            let written = self.writers.append(Append { subject, version, payload, purpose }, None).await;
            if matches!(written, Ok(()) | Err(ShardError::Full | ShardError::Overloaded)) {
                core.half_deleted.lock().remove(&blob);
            }
            written?;
        }
        Ok(count)
    }

    /// A page of the shards that are here, in the order of their ids: at most `limit` after `after`.
    pub async fn list(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<ListedShard>, ShardError> {
        let list = move |view: &dyn View| {
            let (start, end) = ShardRow::all();
            let after = after.map(ShardRow::key);
            let start = after.as_ref().map_or(Bound::Included(start), |key| Bound::Excluded(key.as_ref()));
            let mut rows = view.scan(start, Bound::Excluded(end), false);
            let mut listed = Vec::new();
            while listed.len() < limit {
                let Some((key, value)) = rows.next()? else { break };
                let (shard, row) = (ShardRow::shard(&key)?, ShardRow::decode(&value)?);
                listed.push(ListedShard { shard, owner: row.owner, shard_len: row.shard_len, segment: row.segment });
            }
            Ok(listed)
        };
        self.core.stored(self.core.index.read(list).await)
    }

    /// Reads a shard whole and checks its header and every frame; returns its length in bytes.
    pub async fn verify(&self, shard: ShardId) -> Result<u32, ShardError> {
        self.read_sound(shard).await.map(|(row, _)| row.shard_len)
    }

    /// The same; its row and its bytes.
    pub(super) async fn read_sound(&self, shard: ShardId) -> Result<(ShardRow, Bytes), ShardError> {
        let (row, pinned) = self.find(shard).await?;
        let corrupt = |what: &str| ShardError::Corrupt(format!("shard {shard:?}: {what}"));
        let head = pinned.read(row.offset, (row.extent.payload_offset as usize).min(HEADER_BYTES_MAX)).await;
        let head = head.map_err(|error| corrupt(&format!("reading header: {error}")))?;
        let generation = self.core.index.segment(row.segment).map_or(0, |segment| segment.generation);
        let header = Header::decode_at(&head, generation, row.offset);
        let header = header.map_err(|error| corrupt(&error.to_string()))?;
        if !matches!(&header.subject, Subject::Shard(facts)
            if facts.shard == shard && facts.frames == row.frames && facts.geometry == row.geometry && facts.owner == row.owner)
        {
            return Err(corrupt("its header says otherwise than the index"));
        }
        let offset = row.offset.saturating_add(u64::from(row.extent.payload_offset));
        let payload = pinned.read(offset, row.shard_len as usize).await;
        let payload = payload.map_err(|error| corrupt(&format!("reading payload: {error}")))?;
        frame::verify(shard, row.geometry, 0, &row.frames, &payload).map_err(|error| corrupt(&error.to_string()))?;
        Ok((row, payload))
    }

    /// Reads rows of the index from the medium with all checksums, from `start` on: their bytes, and the first key behind
    /// them, if there are more.
    pub async fn check_index(&self, start: Bytes) -> Result<(u64, Option<Bytes>), ShardError> {
        self.core.stored(self.core.index.check(start).await)
    }

    /// Whether the start found that something was lost that was durable: a segment is gone or damaged, or lacks its end.
    pub fn has_lost_segments(&self) -> bool {
        !self.core.lost.lock().is_empty()
    }

    /// Notes durably that the cluster knows what the start found lost: the next start does not tell of it again.
    pub async fn settle_losses(&self) -> Result<(), ShardError> {
        let core = &self.core;
        let lost = core.lost.lock().clone();
        for LostSegment { number, class, becomes } in lost {
            match core.index.segment(number) {
                Some(_) => core.stored(core.index.set_state(number, becomes, false).await)?,
                None => core.segments.set_aside(number, class).await.map_err(|error| unopened(&error))?,
            }
        }
        compaction::flush(core).await?;
        core.lost.lock().clear();
        Ok(())
    }

    /// Looks whether the file of each segment is there. If one is gone, only another start tells what is left.
    pub async fn misses_segments(&self) -> bool {
        let core = &self.core;
        match core.segments.find_missing().await {
            Ok(Some(number)) => core.health.note_missing_segment(number),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "segment files cannot be listed"),
        }
        core.health.is_segment_missing()
    }

    /// Whether the file of a segment was seen to be gone.
    pub(crate) fn is_segment_missing(&self) -> bool {
        self.core.health.is_segment_missing()
    }

    /// Whether some of the index was found to be rotten.
    pub(crate) fn is_index_rotten(&self) -> bool {
        self.core.health.is_index_rotten()
    }

    /// One round of housekeeping: flushes the index when that is due, compacts a few segments,
    /// recycles what is empty. Call it about every second, from one task.
    pub async fn maintain(&self) -> Result<Maintained, ShardError> {
        compaction::round(&self.core, &self.writers, &self.memory).await
    }

    /// Makes the index durable, so that the next start has nothing to read again.
    pub async fn flush(&self) -> Result<(), ShardError> {
        compaction::flush(&self.core).await
    }

    /// How the drive is.
    pub async fn stats(&self) -> Result<Stats, ShardError> {
        let space = self.core.disk.space().await.map_err(|error| ShardError::Down(error.to_string()))?;
        let segments = self.core.index.segments();
        let live_bytes = segments.iter().map(|(_, row)| row.live).sum();
        let used: u64 = segments.iter().map(|(_, row)| row.end.saturating_sub(super::segment::PAGE_BYTES)).sum();
        Ok(Stats {
            space,
            live_bytes,
            dead_bytes: used.saturating_sub(live_bytes),
            segments: segments.len() as u64,
            open_segments: segments.iter().filter(|(_, row)| row.state == SegmentState::Open).count() as u64,
            queued_bytes: self.writers.queued_bytes(),
            down: self.core.health.reason(),
        })
    }
}
