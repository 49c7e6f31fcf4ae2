//! The field numbers of what is asked of drives.

use bytes::Bytes;
use couronne_base::codec::Corrupt;
use couronne_base::codec::table::{choice, record};
use couronne_placement::{BlobId, Geometry, PolicyId, ResidencyClass, ShardId};
use couronne_ring::{DriveId, Epoch};

use super::packed::Packed;
use super::{Ask, Done, Payload};
use crate::shard::{GetShard, Owner, PutShard, ShardError, ShardFrames};
use crate::transport::Method;

/// Write a shard on a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutShardAt {
    /// The drive.
    pub drive: DriveId,
    /// The shard.
    pub request: PutShard,
}

/// Write a shard on a drive for repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreShardAt(pub PutShardAt);

/// All of [`PutShardAt`] but the shard's bytes.
pub struct PutShardHead {
    drive: DriveId,
    shard: ShardId,
    owner: Owner,
    geometry: Geometry,
    policy: PolicyId,
    class: ResidencyClass,
    epoch: Epoch,
    frames: Packed,
}

/// Read frames of a shard on a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetShardAt {
    /// The drive.
    pub drive: DriveId,
    /// The frames.
    pub request: GetShard,
}

/// All of [`ShardFrames`] but the frames' bytes.
pub struct ShardFramesHead {
    geometry: Geometry,
    shard_len: u32,
    checksums: Packed,
}

/// A shard on a drive was found missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportShard {
    /// The drive.
    pub drive: DriveId,
    /// The shard.
    pub shard: ShardId,
    /// The bucket and key that the shard belongs to.
    pub owner: Owner,
}

/// Delete one shard from a drive; the answer is 1 if it was there, else 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteShard {
    /// The drive.
    pub drive: DriveId,
    /// The shard.
    pub shard: ShardId,
    /// The bucket and key that the shard belongs to.
    pub owner: Owner,
}

/// Delete a blob's shards from a drive; the answer is how many there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteBlob {
    /// The drive.
    pub drive: DriveId,
    /// The blob.
    pub blob: BlobId,
    /// The bucket and key that the blob belongs to.
    pub owner: Owner,
}

/// Read a shard on its drive and say whether it is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyShard {
    /// The drive.
    pub drive: DriveId,
    /// The shard.
    pub shard: ShardId,
}

record! { Owner { 1 bucket, 2 key } }
record! { GetShard { 1 shard, 2 first_frame, 3 frames } }

record! { PutShardHead { 1 drive, 2 shard, 3 owner, 4 geometry, 5 policy, 6 class, 7 epoch, 8 frames } }
record! { GetShardAt { 1 drive, 2 request } }
record! { ShardFramesHead { 1 geometry, 2 shard_len, 3 checksums } }
record! { ReportShard { 1 drive, 2 shard, 3 owner } }
record! { DeleteShard { 1 drive, 2 shard, 3 owner } }
record! { DeleteBlob { 1 drive, 2 blob, 3 owner } }
record! { VerifyShard { 1 drive, 2 shard } }

choice! { ShardError {
    1 NotFound,
    2 StaleEpoch(1 epoch),
    3 Full,
    4 Corrupt(1 why),
    5 Refused(1 why),
    6 Overloaded,
    7 Down(1 why),
    8 Conflict,
} }

macro_rules! asks {
    ($($type:ident, $method:ident -> $done:ty;)*) => { $(
        impl Ask for $type {
            const METHOD: Method = Method::$method;
            type Done = $done;
            type Failed = ShardError;
        }
    )* };
}

asks! {
    PutShardAt, PutShard -> Done;
    RestoreShardAt, RestoreShard -> Done;
    GetShardAt, GetShard -> ShardFrames;
    ReportShard, ReportShard -> Done;
    DeleteShard, DeleteShard -> u64;
    DeleteBlob, DeleteBlob -> u64;
    VerifyShard, VerifyShard -> Done;
}

impl Payload for PutShardAt {
    type Head = PutShardHead;

    fn split(self) -> (PutShardHead, Bytes) {
        let PutShard { shard, owner, geometry, policy, class, epoch, frames, payload } = self.request;
        let frames = Packed(frames);
        (PutShardHead { drive: self.drive, shard, owner, geometry, policy, class, epoch, frames }, payload)
    }

    fn join(head: PutShardHead, payload: Bytes) -> Result<Self, Corrupt> {
        let PutShardHead { drive, shard, owner, geometry, policy, class, epoch, frames } = head;
        let request = PutShard { shard, owner, geometry, policy, class, epoch, frames: frames.0, payload };
        Ok(Self { drive, request })
    }
}

impl Payload for RestoreShardAt {
    type Head = PutShardHead;

    fn split(self) -> (PutShardHead, Bytes) {
        self.0.split()
    }

    fn join(head: PutShardHead, payload: Bytes) -> Result<Self, Corrupt> {
        PutShardAt::join(head, payload).map(Self)
    }
}

impl Payload for ShardFrames {
    type Head = ShardFramesHead;

    fn split(self) -> (ShardFramesHead, Bytes) {
        let Self { geometry, shard_len, checksums, payload } = self;
        (ShardFramesHead { geometry, shard_len, checksums: Packed(checksums) }, payload)
    }

    fn join(head: ShardFramesHead, payload: Bytes) -> Result<Self, Corrupt> {
        let ShardFramesHead { geometry, shard_len, checksums } = head;
        Ok(Self { geometry, shard_len, checksums: checksums.0, payload })
    }
}
