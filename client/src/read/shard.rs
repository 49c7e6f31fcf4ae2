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

use super::chunk::{FrameRange, Span};
use crate::client::Client;

/// Frames of a shard, verified or decoded.
#[derive(Clone)]
pub(super) struct Frames {
    pub(super) range: FrameRange,
    pub(super) bytes: Bytes,
    /// CRC-64/NVME of the bytes, if it is known.
    pub(super) crc64: Option<u64>,
}

/// Verified bytes, and their CRC-64/NVME if it is known from their frames.
#[derive(Clone)]
pub struct Slice {
    /// The bytes.
    pub bytes: Bytes,
    /// Their CRC-64/NVME.
    pub crc64: Option<u64>,
}

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

impl Frames {
    /// A span's bytes, if the frames hold them.
    pub(super) fn slice(&self, span: &Span) -> Option<Slice> {
        self.range.covers(span.frames()).then_some(())?;
        let bytes = self.part(span.bytes.start, span.bytes.end)?;
        let crc64 = self.crc64.filter(|_| bytes.len() == self.bytes.len());
        Some(Slice { bytes, crc64 })
    }

    /// The bytes of other frames, if these cover them.
    pub(super) fn cut(&self, frames: FrameRange, shard_len: u32) -> Option<Bytes> {
        self.range.covers(frames).then_some(())?;
        let bytes = frames.bytes(shard_len);
        self.part(bytes.start, bytes.end)
    }

    fn part(&self, start: u32, end: u32) -> Option<Bytes> {
        let first = self.range.bytes(u32::MAX).start;
        let (start, end) = (start.checked_sub(first)? as usize, end.checked_sub(first)? as usize);
        (start <= end && end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }
}
