//! Fetching frames of one shard from a drive, and verifying them.
//!
//! What a drive says of a shard is checked against the row that names the blob: geometry, length, and
//! every frame's checksum, which binds it to its place. What a primary should have had and did not
//! have, or had wrong, is reported, so that it is repaired.

use std::time::Duration;

use bytes::Bytes;
use couronne_cluster::map::ClusterMap;
use couronne_placement::ShardId;
use couronne_placement::frame;
use couronne_protocol::shard::{GetShard, Owner, ShardError, ShardFrames};
use couronne_ring::DriveId;
use tokio::time::timeout;

use super::super::Shared;
use super::chunk::{ChunkRead, FrameRange, Span};

/// Asks drives for shards of one chunk.
pub(super) struct Fetcher<'a> {
    pub(super) shared: &'a Shared,
    pub(super) map: &'a ClusterMap,
    pub(super) read: &'a ChunkRead,
    pub(super) owner: &'a Owner,
}

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
pub(super) struct Slice {
    pub(super) bytes: Bytes,
    pub(super) crc64: Option<u64>,
}

impl Fetcher<'_> {
    /// Frames of a shard from the drive that ought to have it, unless that was late a moment ago.
    pub(super) async fn at_primary(
        &self,
        number: u8,
        frames: FrameRange,
        drive: DriveId,
    ) -> Result<Frames, ShardError> {
        if self.shared.suspects(drive) {
            return Err(ShardError::Down("it was late a moment ago".to_owned()));
        }
        let fetched = self.fetch(number, frames, drive).await;
        if let Err(error @ (ShardError::NotFound | ShardError::Corrupt(_))) = &fetched {
            let shard = self.shard(number);
            tracing::warn!(%drive, ?shard, %error, "a shard is missing or wrong");
            let (shards, owner) = (self.shared.components.shards.clone(), self.owner.clone());
            tokio::spawn(async move { shards.report(drive, shard, owner).await });
        }
        fetched
    }

    /// Frames of a shard from the first of these drives that has it.
    pub(super) async fn at_any(
        &self,
        number: u8,
        frames: FrameRange,
        drives: &[DriveId],
    ) -> Result<Frames, ShardError> {
        let mut reason = ShardError::NotFound;
        for drive in drives {
            match self.fetch(number, frames, *drive).await {
                Ok(frames) => return Ok(frames),
                // That a drive could not be asked says more than that another does not have it.
                Err(error @ (ShardError::Down(_) | ShardError::Overloaded)) => reason = error,
                Err(_) => {}
            }
        }
        Err(reason)
    }

    fn shard(&self, number: u8) -> ShardId {
        ShardId { chunk: self.read.id(), number }
    }

    async fn fetch(&self, number: u8, frames: FrameRange, drive: DriveId) -> Result<Frames, ShardError> {
        if !self.map.drive_state(drive).is_up() {
            return Err(ShardError::Down("so says the map".to_owned()));
        }
        let shard = self.shard(number);
        let request = GetShard { shard, first_frame: frames.first, frames: frames.end - frames.first };
        let within = Duration::from_millis(self.shared.settings.shard_read_timeout_ms);
        let answer = timeout(within, self.shared.components.shards.get_shard(drive, request)).await;
        let Ok(found) = answer else {
            self.shared.suspects.timed_out(drive, self.shared.components.env.clock.steady());
            return Err(ShardError::Down("no answer in time".to_owned()));
        };
        self.shared.suspects.answered(drive);
        self.verify(shard, frames, found?)
    }

    fn verify(&self, shard: ShardId, range: FrameRange, found: ShardFrames) -> Result<Frames, ShardError> {
        let corrupt = |what: &str| Err(ShardError::Corrupt(what.to_owned()));
        let (geometry, shard_len) = (self.read.blob.geometry, self.read.layout.shard_len);
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
