//! Reading one shard from exactly one drive.
//!
//! What a drive says of a shard is checked against what the caller knows of its blob, and every frame's checksum
//! binds it to its place.
//! Must not know: where a shard belongs.

use std::time::Duration;

use bytes::Bytes;
use couronne_placement::frame::{self, frames};
use couronne_placement::{Geometry, ShardId};
use couronne_protocol::shard::{GetShard, ShardError, ShardFrames};
use couronne_ring::DriveId;
use tokio::time::timeout;

use super::chunk::FrameRange;
use super::fetch::Frames;
use crate::client::Client;

/// Drives, in the order of handoffs, that are searched for a shard that is not on its primary.
pub const SEARCHED_DRIVES_MAX: usize = 24;

impl Client {
    /// A whole shard from this drive and no other, verified. A drive that does not answer in time counts as down,
    /// and as slow for a while.
    pub async fn get_shard(&self, drive: DriveId, shard: ShardId, geometry: Geometry) -> Result<Bytes, ShardError> {
        let found = self.get_frames(drive, GetShard { shard, first_frame: 0, frames: u32::MAX }).await?;
        let (shard_len, all) = (found.shard_len, FrameRange { first: 0, end: frames(found.shard_len) });
        verify(shard, geometry, shard_len, all, found).map(|frames| frames.bytes)
    }

    /// Frames as the drive has them, not verified.
    pub(super) async fn get_frames(&self, drive: DriveId, request: GetShard) -> Result<ShardFrames, ShardError> {
        let within = Duration::from_millis(self.settings.shard_read_timeout_ms);
        let answer = timeout(within, self.components.shards.get_shard(drive, request)).await;
        let Ok(found) = answer else {
            self.slow_drives.timed_out(drive, self.now());
            return Err(ShardError::Down("no answer in time".to_owned()));
        };
        self.slow_drives.answered(drive);
        found
    }
}

/// Checks what a drive gave as the frames `range` of a shard of this geometry and length.
pub(super) fn verify(
    shard: ShardId,
    geometry: Geometry,
    shard_len: u32,
    range: FrameRange,
    found: ShardFrames,
) -> Result<Frames, ShardError> {
    let corrupt = |what: &str| Err(ShardError::Corrupt(what.to_owned()));
    if found.geometry != geometry || found.shard_len != shard_len {
        return corrupt("the drive's header contradicts the object's row");
    }
    let expected = range.bytes(shard_len);
    if found.payload.len() as u64 != u64::from(expected.end - expected.start) {
        return corrupt("the drive gave another number of bytes than it was asked for");
    }
    match frame::verify(shard, geometry, range.first, &found.checksums, &found.payload) {
        Ok(crc64) => Ok(Frames { range, bytes: found.payload, crc64: Some(crc64) }),
        Err(error) => corrupt(&error.to_string()),
    }
}
