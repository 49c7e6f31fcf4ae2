//! The node as gateways see it: its ranges, its drives, its map.
//!
//! Must not know: how it started.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_cluster::map::{ClusterMap, MapRange};
use couronne_cluster::{RangeDescriptor, WriteState};
use couronne_metadata::command::{Envelope, Outcome};
use couronne_metadata::ids::RangeId;
use couronne_metadata::query::Answer;
use couronne_placement::{BlobId, ShardId};
use couronne_protocol::map::MapSource;
use couronne_protocol::range::{QueryEnvelope, RangeAddress, RangeClient, RangeError};
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardClient, ShardDuties, ShardError, ShardFrames};
use couronne_ring::DriveId;

use super::LocalNode;
use crate::drive::{Drive, ListedShard};
use crate::range_server::RangeServer;

impl LocalNode {
    fn descriptors(&self, start: &[u8], end: &[u8]) -> Vec<RangeDescriptor> {
        let map = self.map();
        let meets = |range: &&MapRange| {
            (end.is_empty() || range.start.as_ref() < end) && (range.end.is_empty() || start < range.end.as_ref())
        };
        map.ranges.iter().filter(meets).map(MapRange::descriptor).collect()
    }

    fn server(&self, address: RangeAddress) -> Result<Arc<RangeServer>, RangeError> {
        if let Some(server) = self.servers.read().get(&(address.range, address.replica)) {
            return Ok(Arc::clone(server));
        }
        let known: Vec<RangeDescriptor> =
            self.map().range(address.range).map(MapRange::descriptor).into_iter().collect();
        if known.iter().any(|range| range.generation == address.generation) {
            return Err(RangeError::NotLeader(self.leader_hint(address.range)));
        }
        Err(RangeError::StaleRange(known))
    }

    /// A page of the shards on a drive of this node, those after one, in their order: for whoever audits.
    pub fn list_shards(
        &self,
        drive: DriveId,
        after: Option<ShardId>,
        limit: usize,
    ) -> Result<Vec<ListedShard>, ShardError> {
        self.shards(drive)?.list(after, limit)
    }

    /// Whether most of these drives have space for new rows, as far as is known here. A minority that has
    /// none holds nobody up: it lives on its reserve, and is replaced as a lost drive is when that is gone.
    fn has_space(&self, drives: &[DriveId]) -> bool {
        let map = self.map();
        let is_full = |drive: &&DriveId| match self.slot(**drive) {
            Some(slot) => slot.writes() == WriteState::Full,
            None => map.drives.get(*drive).is_some_and(|drive| drive.writes == WriteState::Full),
        };
        drives.iter().filter(is_full).count() * 2 < drives.len()
    }

    fn shards(&self, drive: DriveId) -> Result<Drive, ShardError> {
        let slot = self.slot(drive).ok_or_else(|| ShardError::Down("the drive is not here".to_owned()))?;
        slot.serving().cloned()
    }
}

#[async_trait]
impl RangeClient for LocalNode {
    async fn describe(&self, start: Bytes, end: Bytes) -> Result<Vec<RangeDescriptor>, RangeError> {
        Ok(self.descriptors(&start, &end))
    }

    async fn execute(&self, address: RangeAddress, envelope: Envelope) -> Result<Outcome, RangeError> {
        let server = self.server(address)?;
        // The map is small, and has to say that drives are full.
        if envelope.command.takes_space() && !server.keeps_map() && !self.has_space(&server.descriptor().replicas) {
            return Err(RangeError::Full);
        }
        server.execute(address, envelope).await
    }

    async fn query(&self, address: RangeAddress, query: QueryEnvelope) -> Result<Answer, RangeError> {
        self.server(address)?.query(address, query).await
    }

    fn leader_hint(&self, range: RangeId) -> Option<DriveId> {
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
impl ShardClient for LocalNode {
    async fn put_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        self.shards(drive)?.put_shard(request).await?;
        // A drive that went away meanwhile may have written into files that nobody will find.
        self.shards(drive).map(|_| ())
    }

    async fn get_shard(&self, drive: DriveId, request: GetShard) -> Result<ShardFrames, ShardError> {
        self.shards(drive)?.get_shard(request).await
    }

    async fn report(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        self.duties.report(drive, shard, owner);
    }
}

#[async_trait]
impl ShardDuties for LocalNode {
    async fn delete_shard(&self, drive: DriveId, shard: ShardId) -> Result<bool, ShardError> {
        self.shards(drive)?.delete_shard(shard).await
    }

    async fn delete_blob(&self, drive: DriveId, blob: BlobId) -> Result<u64, ShardError> {
        self.shards(drive)?.delete_blob(blob).await
    }

    async fn verify_shard(&self, drive: DriveId, shard: ShardId) -> Result<(), ShardError> {
        self.shards(drive)?.verify(shard).await.map(|_| ())
    }
}

impl MapSource for LocalNode {
    fn current(&self) -> Arc<ClusterMap> {
        self.map.current()
    }
}
