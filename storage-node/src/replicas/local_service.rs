//! What gateways and peers ask of this node's ranges and drives.
//!
//! Must not know: how messages travel, how the node started.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_cluster::RangeDescriptor;
use couronne_cluster::map::MapRange;
use couronne_metadata::command::{CommandRequest, Outcome};
use couronne_metadata::ids::RangeId;
use couronne_metadata::query::Answer;
use couronne_placement::{BlobId, ShardId};
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardClient, ShardDuties, ShardError, ShardFrames};
use couronne_ring::DriveId;

use super::{RangeServer, Replicas};
use crate::drives::Drives;

/// The ranges and drives of this node.
pub struct LocalService {
    pub(crate) drives: Arc<Drives>,
    pub(crate) replicas: Arc<Replicas>,
}

impl Replicas {
    fn descriptors(&self, start: &[u8], end: &[u8]) -> Vec<RangeDescriptor> {
        let map = self.map.state();
        let meets = |range: &&MapRange| {
            (end.is_empty() || range.start.as_ref() < end) && (range.end.is_empty() || start < range.end.as_ref())
        };
        map.ranges.iter().filter(meets).map(MapRange::descriptor).collect()
    }

    /// The drives of a range's replicas.
    fn drives_of(&self, range: RangeId) -> Vec<DriveId> {
        self.map.state().range(range).map_or_else(Vec::new, |range| range.replicas.values().copied().collect())
    }

    /// The replica that a request is addressed to.
    fn server(&self, address: RangeAddress) -> Result<Arc<RangeServer>, RangeError> {
        if let Some(server) = self.servers.read().get(&(address.range, address.replica)) {
            return Ok(Arc::clone(server));
        }
        let known: Vec<RangeDescriptor> =
            self.map.state().range(address.range).map(MapRange::descriptor).into_iter().collect();
        if known.iter().any(|range| range.generation == address.generation) {
            return Err(RangeError::NotLeader(self.leader_hint(address.range)));
        }
        Err(RangeError::StaleRange(known))
    }

    /// The drive on which the leader of a range was last known to live.
    pub(crate) fn leader_hint(&self, range: RangeId) -> Option<DriveId> {
        let servers = self.servers.read();
        let replicas = servers.range((range, DriveId(0))..=(range, DriveId(u128::MAX)));
        let mut hint = None;
        for ((_, drive), server) in replicas {
            if server.consensus().leadership().is_some() {
                return Some(*drive);
            }
            let serves = |leader: &DriveId| {
                self.map.node_of(*leader) != Some(self.id) || servers.contains_key(&(range, *leader))
            };
            hint = hint.or_else(|| server.leader_drive().filter(serves));
        }
        hint
    }
}

#[async_trait]
impl RangeClient for LocalService {
    async fn describe(&self, start: Bytes, end: Bytes) -> Result<Vec<RangeDescriptor>, RangeError> {
        Ok(self.replicas.descriptors(&start, &end))
    }

    async fn execute(&self, address: RangeAddress, request: CommandRequest) -> Result<Outcome, RangeError> {
        let server = self.replicas.server(address)?;
        // The map is small, and has to say that drives are full.
        if request.command.takes_space()
            && !server.is_of_meta_group()
            && !self.drives.have_space(&self.replicas.drives_of(address.range))
        {
            return Err(RangeError::Full);
        }
        server.execute(address, request).await
    }

    async fn query(&self, address: RangeAddress, query: QueryRequest) -> Result<Answer, RangeError> {
        self.replicas.server(address)?.query(address, query).await
    }

    fn leader_hint(&self, range: RangeId) -> Option<DriveId> {
        self.replicas.leader_hint(range)
    }
}

#[async_trait]
impl ShardClient for LocalService {
    async fn put_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        self.drives.shards(drive)?.put_shard(request).await?;
        // A drive that went away meanwhile may have written into files that nobody will find.
        self.drives.shards(drive).map(|_| ())
    }

    async fn get_shard(&self, drive: DriveId, request: GetShard) -> Result<ShardFrames, ShardError> {
        self.drives.shards(drive)?.get_shard(request).await
    }

    async fn report(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        if owner.is_of(shard.chunk.blob) {
            self.drives.damage.add(drive, shard, owner);
        }
    }
}

#[async_trait]
impl ShardDuties for LocalService {
    async fn restore_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        self.drives.shards(drive)?.restore_shard(request).await?;
        self.drives.shards(drive).map(|_| ())
    }

    async fn delete_shard(&self, drive: DriveId, shard: ShardId, owner: &Owner) -> Result<bool, ShardError> {
        self.drives.shards(drive)?.delete_shard(shard, owner).await
    }

    async fn delete_blob(&self, drive: DriveId, blob: BlobId, owner: &Owner) -> Result<u64, ShardError> {
        self.drives.shards(drive)?.delete_blob(blob, owner).await
    }

    async fn verify_shard(&self, drive: DriveId, shard: ShardId) -> Result<(), ShardError> {
        self.drives.shards(drive)?.verify(shard).await.map(|_| ())
    }
}
