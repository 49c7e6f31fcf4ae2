//! Fetching frames of the shards of one chunk, from their primaries or wherever else they may be.
//!
//! What a primary should have had and did not have, or had wrong, is reported, so that it is repaired.

use couronne_cluster::DriveState;
use couronne_cluster::map::MapView;
use couronne_placement::ShardId;
use couronne_protocol::shard::{GetShard, Owner, ShardError};
use couronne_ring::DriveId;

use super::chunk::{ChunkRead, FrameRange};
use super::shard::{Frames, verify};
use crate::client::Client;

/// Asks drives for shards of one chunk.
pub(super) struct ShardFetcher<'a> {
    pub(super) client: &'a Client,
    pub(super) map: &'a MapView,
    pub(super) read: &'a ChunkRead,
    pub(super) owner: &'a Owner,
}

impl ShardFetcher<'_> {
    /// Frames of a shard from the drive that ought to have it, unless that was late a moment ago, or its node says that
    /// it is slow.
    pub(super) async fn at_primary(
        &self,
        number: u8,
        frames: FrameRange,
        drive: DriveId,
    ) -> Result<Frames, ShardError> {
        if self.client.is_slow(drive) || self.map.drive_state(drive) == DriveState::SLOW {
            return Err(ShardError::Down("it was late a moment ago".to_owned()));
        }
        let fetched = self.fetch(number, frames, drive).await;
        if let Err(error @ (ShardError::NotFound | ShardError::Corrupt(_))) = &fetched {
            let shard = self.shard(number);
            tracing::warn!(%drive, ?shard, %error, "a shard is missing or wrong");
            let (shards, owner) = (self.client.components.shards.clone(), self.owner.clone());
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
        if !self.map.drive_state(drive).answers() {
            return Err(ShardError::Down("so says the map".to_owned()));
        }
        let shard = self.shard(number);
        let request = GetShard { shard, first_frame: frames.first, frames: frames.end - frames.first };
        let found = self.client.get_frames(drive, request).await?;
        verify(shard, self.read.blob.geometry, self.read.layout.shard_len, frames, found)
    }
}
