//! Drives of other processes.

use std::sync::Arc;

use async_trait::async_trait;
use couronne_placement::{BlobId, ShardId};
use couronne_ring::DriveId;

use super::{Reach, Unanswered};
use crate::map::MapSource;
use crate::shard::{GetShard, Owner, PutShard, ShardClient, ShardDuties, ShardError, ShardFrames};
use crate::transport::Transport;
use crate::wire::{Ask, DeleteBlob, DeleteShard, GetShardAt, PutShardAt, ReportShard, RestoreShardAt, VerifyShard};

/// Drives wherever they are, by the map. Duties are for storage nodes: the other side refuses them
/// to a gateway.
pub struct RemoteShards {
    reach: Reach,
}

impl RemoteShards {
    /// Reaches the drives of `map` through `transport`.
    pub fn new(transport: Arc<dyn Transport>, map: Arc<dyn MapSource>) -> Self {
        Self { reach: Reach { transport, map } }
    }

    async fn ask<A: Ask<Failed = ShardError>>(&self, drive: DriveId, ask: A) -> Result<A::Done, ShardError> {
        match self.reach.ask_drive(drive, ask).await {
            Ok(reply) => reply,
            Err(unanswered) => Err(unanswered.into()),
        }
    }
}

impl From<Unanswered> for ShardError {
    fn from(unanswered: Unanswered) -> Self {
        if unanswered.is_overload() { Self::Overloaded } else { Self::Down(unanswered.reason()) }
    }
}

#[async_trait]
impl ShardClient for RemoteShards {
    async fn put_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        self.ask(drive, PutShardAt { drive, request }).await.map(|_| ())
    }

    async fn get_shard(&self, drive: DriveId, request: GetShard) -> Result<ShardFrames, ShardError> {
        self.ask(drive, GetShardAt { drive, request }).await
    }

    async fn report(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        // Best effort: the scrubber finds what a lost report does not tell.
        let _ = self.ask(drive, ReportShard { drive, shard, owner }).await;
    }
}

#[async_trait]
impl ShardDuties for RemoteShards {
    async fn restore_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        self.ask(drive, RestoreShardAt(PutShardAt { drive, request })).await.map(|_| ())
    }

    async fn delete_shard(&self, drive: DriveId, shard: ShardId, owner: &Owner) -> Result<bool, ShardError> {
        self.ask(drive, DeleteShard { drive, shard, owner: owner.clone() }).await.map(|count| count > 0)
    }

    async fn delete_blob(&self, drive: DriveId, blob: BlobId, owner: &Owner) -> Result<u64, ShardError> {
        self.ask(drive, DeleteBlob { drive, blob, owner: owner.clone() }).await
    }

    async fn verify_shard(&self, drive: DriveId, shard: ShardId) -> Result<(), ShardError> {
        self.ask(drive, VerifyShard { drive, shard }).await.map(|_| ())
    }
}
