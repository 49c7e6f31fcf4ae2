//! What is asked of a drive. A gateway has no verb that deletes: only a range's duties do, through a
//! trait of their own that storage nodes alone may use, so a lock in the metadata holds below the API.

use async_trait::async_trait;
use bytes::Bytes;
use couronne_metadata::ids::{self, BucketId, ObjectKey};
use couronne_placement::{Binding, BlobId, Geometry, PolicyId, ResidencyClass, ShardId};
use couronne_ring::{DriveId, Epoch};
use thiserror::Error;

/// The bucket and key that a shard belongs to, for life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The bucket.
    pub bucket: BucketId,
    /// The object's key.
    pub key: ObjectKey,
}

impl Owner {
    /// What binds blobs to this owner.
    pub fn binding(&self) -> Binding {
        ids::binding(self.bucket, &self.key)
    }

    /// Whether a blob's id says that it is this owner's.
    pub fn is_of(&self, blob: BlobId) -> bool {
        ids::is_bound(blob, self.bucket, &self.key)
    }
}

/// A shard to write. Answered once it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutShard {
    /// Which shard.
    pub shard: ShardId,
    /// Whose.
    pub owner: Owner,
    /// The blob's geometry.
    pub geometry: Geometry,
    /// The policy it was placed under.
    pub policy: PolicyId,
    /// The residency class it must not leave.
    pub class: ResidencyClass,
    /// The ring epoch it was placed under.
    pub epoch: Epoch,
    /// The checksum of each frame of the payload ([`couronne_placement::frame::seal`]).
    pub frames: Vec<u64>,
    /// The shard's bytes, padding included.
    pub payload: Bytes,
}

/// Bytes of a shard to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetShard {
    /// Which shard.
    pub shard: ShardId,
    /// First frame wanted.
    pub first_frame: u32,
    /// How many frames are wanted; more than there are is fine.
    pub frames: u32,
}

/// Whole frames of a shard, as they stand on the drive: the receiver verifies them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardFrames {
    /// The geometry that the drive's header names.
    pub geometry: Geometry,
    /// The whole shard's length in bytes.
    pub shard_len: u32,
    /// The checksum of each frame returned.
    pub checksums: Vec<u64>,
    /// The frames' bytes, one after another.
    pub payload: Bytes,
}

/// Why a drive did not do it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShardError {
    /// The drive has no such shard.
    #[error("no such shard")]
    NotFound,
    /// The request was placed under another epoch than the drive's.
    #[error("stale ring epoch; the drive has {0:?}")]
    StaleEpoch(Epoch),
    /// No space for new shards; reads and deletions go on.
    #[error("drive is full")]
    Full,
    /// Stored bytes do not verify.
    #[error("shard is corrupt: {0}")]
    Corrupt(String),
    /// The request contradicts itself or the drive's rules (a birth too far ahead, a wrong length).
    #[error("refused: {0}")]
    Refused(String),
    /// The drive has a sound shard of this identity with other bytes or another owner: it stays.
    #[error("the drive has another shard in this place")]
    Conflict,
    /// Too much is queued; try later.
    #[error("drive is overloaded")]
    Overloaded,
    /// The drive is not reachable or failed for good.
    #[error("drive is down: {0}")]
    Down(String),
}

/// Drives as a gateway sees them. A call may end without an answer only by being dropped.
#[async_trait]
pub trait ShardClient: Send + Sync + 'static {
    /// Writes a shard durably. Repeating it is harmless; it never changes one that is there.
    async fn put_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError>;

    /// Reads whole frames.
    async fn get_shard(&self, drive: DriveId, request: GetShard) -> Result<ShardFrames, ShardError>;

    /// Tells the drive's node that a shard was missing or wrong, so that it is repaired. Best effort.
    async fn report(&self, drive: DriveId, shard: ShardId, owner: Owner);
}

/// Drives as the duties of storage nodes see them.
#[async_trait]
pub trait ShardDuties: Send + Sync + 'static {
    /// Writes a shard durably for repair: of a blob however old, and in the place of one that does not verify.
    async fn restore_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError>;

    /// Deletes one shard of the owner, durably, and returns whether it was there. Another's is refused.
    async fn delete_shard(&self, drive: DriveId, shard: ShardId, owner: &Owner) -> Result<bool, ShardError>;

    /// Deletes all shards of a blob of the owner, durably, and returns how many there were. Another's is refused.
    async fn delete_blob(&self, drive: DriveId, blob: BlobId, owner: &Owner) -> Result<u64, ShardError>;

    /// Reads a shard where it lies; done if it is whole and sound.
    async fn verify_shard(&self, drive: DriveId, shard: ShardId) -> Result<(), ShardError>;
}
