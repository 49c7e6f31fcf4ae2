//! A drive's shard store: append-only segments for the bytes, an index for where they are.
//!
//! Promises: a put that was answered is on stable media and comes back equal, or the read fails
//! loudly; no put changes a shard that is there and sound; what was deleted never comes back, whatever is recycled, lost or rebuilt; memory and queues
//! are bounded.
//! Must not know: where shards are placed and why, networks, S3, Swift.

mod compaction;
mod core;
mod duties;
mod identity;
mod record;
mod recovery;
mod row;
mod scan;
mod segment;
mod segment_manager;
mod segment_writer;
mod settings;
mod shard_index;
mod turns;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use couronne_base::env::Env;
use couronne_base::mutant;
use couronne_metadata::store::{Store, StoreError};
use couronne_placement::frame::{self, FRAME_BYTES};
use couronne_placement::{BlobId, ShardId};
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardError, ShardFrames};
use parking_lot::Mutex;
use thiserror::Error;

pub use self::compaction::Maintained;
use self::core::{Core, Health};
pub use self::duties::{ListedShard, Stats};
pub use self::identity::{Identity, IdentityError};
pub(crate) use self::record::crc64;
use self::record::{HEADER_BYTES_MAX, RecordVersion, ShardFacts, Subject};
use self::recovery::RecoveredSegments;
use self::row::ShardRow;
pub(crate) use self::segment::FOLDER as SEGMENTS;
pub use self::segment::SegmentNumber;
use self::segment_manager::{Purpose, SegmentManager, SegmentPin};
use self::segment_writer::{Append, SegmentWriters};
pub use self::settings::{BIRTH_AHEAD_MS_MAX, BIRTH_BEHIND_MS_MAX, Settings};
use self::shard_index::ShardIndex;
use self::turns::Turns;
use super::threads::StoreThreads;
use crate::disk::{Disk, is_out_of_files};

/// How often a read looks again when compaction moved the shard under it.
const MOVED_RETRIES: usize = 8;

/// Why a drive did not start.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It is not the drive it should be.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its files could not be read or written.
    #[error("opening drive: {0}")]
    Disk(#[from] io::Error),
    /// Its index could not be read or written.
    #[error("opening drive: {0}")]
    Index(#[from] StoreError),
}

/// What a drive is made of.
pub struct Parts {
    /// Its files.
    pub disk: Arc<dyn Disk>,
    /// Its index, alone in its store. An empty one is rebuilt from the segments.
    pub index: Arc<dyn Store>,
    /// Where calls to that store wait.
    pub threads: StoreThreads,
    /// Time and randomness.
    pub env: Env,
    /// Sizes and limits.
    pub settings: Settings,
}

/// A drive that serves. Clones are the same drive; its tasks end with the last of them.
#[derive(Clone)]
pub struct Drive {
    core: Arc<Core>,
    writers: Arc<SegmentWriters>,
    memory: Arc<compaction::Memory>,
    turns: Arc<Turns>,
}

impl Drive {
    /// Starts a formatted drive ([`Identity::format`]) of `cluster`: counts the boot and reads again
    /// what the index does not cover. Must be called within a tokio runtime.
    pub async fn open(parts: Parts, cluster: u128) -> Result<Self, OpenError> {
        let identity = Identity::boot(&parts.disk, cluster).await?;
        Self::start(parts, identity, false).await
    }

    /// Starts a drive whose [`Identity::boot`] was called already; with `rebuild`, the index is made
    /// anew from all segments.
    pub async fn start(parts: Parts, identity: Identity, rebuild: bool) -> Result<Self, OpenError> {
        let Parts { disk, index, threads, env, settings } = parts;
        recovery::claim_index(&index, &threads, identity.drive, rebuild).await?;
        let index = ShardIndex::open(index, threads).await?;
        let segments = SegmentManager::new(disk.clone(), env.clone(), identity.drive, settings);
        let RecoveredSegments { next, lost } = recovery::recover(&disk, &segments, &index, &identity).await?;
        let health = Health::new(settings.failures_max);
        let sequence = AtomicU64::new(next);
        let core = Arc::new(Core {
            disk,
            env,
            identity,
            settings,
            segments,
            index,
            health,
            sequence,
            half_deleted: Mutex::default(),
            lost: Mutex::new(lost),
        });
        let writers = Arc::new(SegmentWriters::start(&core));
        Ok(Self { core, writers, memory: Arc::default(), turns: Arc::default() })
    }

    /// Its identity.
    pub fn identity(&self) -> &Identity {
        &self.core.identity
    }

    /// A number that rises with each record that is written.
    pub fn sequence(&self) -> u64 {
        self.core.sequence.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Writes a shard for a gateway; answers once it is durable. Writing the same again is harmless; other bytes in its
    /// place are refused, and so is a blob that was born too long ago to be written still, or ahead of the clock.
    pub async fn put_shard(&self, request: PutShard) -> Result<(), ShardError> {
        let (now_ms, birth_ms) = (self.core.env.clock.wall_ms(), request.shard.chunk.blob.birth_ms());
        if birth_ms.saturating_add(BIRTH_BEHIND_MS_MAX) < now_ms {
            return Err(refused("blob was born too long ago"));
        }
        if birth_ms > now_ms.saturating_add(BIRTH_AHEAD_MS_MAX) {
            return Err(refused("blob was born ahead of the drive's clock"));
        }
        self.write_shard(request, false).await
    }

    /// Writes a shard for repair, whenever its blob was born (clocks may have been wrong then), also in the place of one that does not verify.
    pub async fn restore_shard(&self, request: PutShard) -> Result<(), ShardError> {
        self.write_shard(request, true).await
    }

    async fn write_shard(&self, request: PutShard, replaces_damaged: bool) -> Result<(), ShardError> {
        self.core.health.check()?;
        self.admit(&request)?;
        let turn = self.turns.take(request.shard).await;
        let is_half_deleted = self.core.half_deleted.lock().contains(&request.shard.chunk.blob);
        match self.read_sound(request.shard).await {
            Ok(stored) if is_same(&stored, &request) && is_half_deleted => {}
            Ok(stored) if is_same(&stored, &request) => return Ok(()),
            Ok(_) if !mutant!(ReplaceShard) => return Err(ShardError::Conflict),
            Err(ShardError::NotFound) | Ok(_) => {}
            Err(ShardError::Corrupt(_)) if replaces_damaged => {}
            Err(error) => return Err(error),
        }
        let PutShard { shard, owner, geometry, policy, class, epoch, frames, payload } = request;
        let shard_len = u32::try_from(payload.len()).map_err(|_| refused("payload is too long"))?;
        let facts = ShardFacts { shard, owner, geometry, policy, class, epoch, frames, shard_len };
        let version = RecordVersion { sequence: self.core.next_sequence(), revision: 0 };
        let append = Append { subject: Subject::Shard(facts), version, payload, purpose: Purpose::Shards };
        self.writers.append(append, Some(turn)).await
    }

    /// Checks a request against itself and the drive's rules.
    fn admit(&self, request: &PutShard) -> Result<(), ShardError> {
        let PutShard { shard, owner, geometry, frames, payload, .. } = request;
        check_owner(shard.chunk.blob, owner)?;
        if shard.number >= geometry.shards() {
            return Err(refused("shard number is beyond the geometry"));
        }
        let len = u32::try_from(payload.len()).map_err(|_| refused("payload is too long"))?;
        if len == 0 || len > geometry.shard_len(geometry.chunk_bytes()) {
            return Err(refused("payload length does not match the geometry"));
        }
        let header_len = record::shard_header_len(owner, frames.len());
        let record_len = u64::from(len).saturating_add(2 * HEADER_BYTES_MAX as u64);
        if header_len > HEADER_BYTES_MAX || record_len > self.core.settings.record_bytes_max() {
            return Err(refused("shard is longer than the drive takes"));
        }
        if frame::verify(*shard, *geometry, 0, frames, payload).is_err() {
            return Err(refused("payload does not match its frame checksums"));
        }
        Ok(())
    }

    /// Reads whole frames of a shard as they stand on the drive: one read of the disk.
    pub async fn get_shard(&self, request: GetShard) -> Result<ShardFrames, ShardError> {
        let GetShard { shard, first_frame, frames } = request;
        let (row, pinned) = self.find(shard).await?;
        let last_frame = first_frame.saturating_add(frames).min(frame::frames(row.shard_len));
        let start = u64::from(first_frame) * u64::from(FRAME_BYTES);
        let end = (u64::from(last_frame) * u64::from(FRAME_BYTES)).min(u64::from(row.shard_len));
        let checksums = row.frames.get(first_frame as usize..last_frame as usize).unwrap_or_default().to_vec();
        let len = usize::try_from(end.saturating_sub(start)).map_err(|_| refused("range is too long"))?;
        let payload = if len == 0 {
            bytes::Bytes::new()
        } else {
            let offset = row.offset.saturating_add(u64::from(row.extent.payload_offset)).saturating_add(start);
            let read = pinned.read(offset, len).await;
            read.map_err(|error| ShardError::Corrupt(format!("reading shard {shard:?}: {error}")))?
        };
        Ok(ShardFrames { geometry: row.geometry, shard_len: row.shard_len, checksums, payload })
    }

    /// The row of a shard, and its segment pinned so that it cannot be reused meanwhile.
    async fn find(&self, shard: ShardId) -> Result<(ShardRow, SegmentPin), ShardError> {
        for _ in 0..MOVED_RETRIES {
            let row = self.core.stored(self.core.index.shard(shard).await)?.ok_or(ShardError::NotFound)?;
            let pinned = self.core.segments.hold(row.segment).await;
            let pinned = pinned.map_err(|error| unopened(&error))?;
            if let Some(pinned) = pinned {
                return Ok((row, pinned));
            }
        }
        Err(ShardError::Corrupt(format!("shard {shard:?}: its segment is missing")))
    }
}

/// Whether what is stored is what is to be written, byte by byte: checksums without a key prove nothing here.
fn is_same((row, payload): &(ShardRow, bytes::Bytes), request: &PutShard) -> bool {
    row.owner == request.owner
        && row.geometry == request.geometry
        && row.frames == request.frames
        && *payload == request.payload
}

/// A segment could not be opened. That the process is out of open files says nothing of the shard.
fn unopened(error: &io::Error) -> ShardError {
    if is_out_of_files(error) {
        return ShardError::Overloaded;
    }
    ShardError::Corrupt(format!("opening segment: {error}"))
}

/// A blob belongs to one bucket and key for life: its id says which.
fn check_owner(blob: BlobId, owner: &Owner) -> Result<(), ShardError> {
    if owner.is_of(blob) { Ok(()) } else { Err(refused("the blob belongs to another key")) }
}

fn refused(why: &str) -> ShardError {
    ShardError::Refused(why.to_owned())
}
