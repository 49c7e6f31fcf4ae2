//! The way to all drives and ranges of the cluster: those of this node directly, all others through
//! the transport.
//!
//! Promises: which way is taken depends on the map alone; a lone node needs no transport.
//! Must not know: how messages travel.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::env::Env;
use couronne_base::watch;
use couronne_client::{Client, Components, MetaGroup, Settings};
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::{CommandRequest, Outcome};
use couronne_metadata::ids::RangeId;
use couronne_metadata::query::Answer;
use couronne_placement::{BlobId, ShardId};
use couronne_protocol::map::{MapSource, SharedMap};
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use couronne_protocol::remote::{RemoteRanges, RemoteShards};
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardClient, ShardDuties, ShardError, ShardFrames};
use couronne_ring::{DriveId, NodeId};

use super::LocalService;
use crate::surroundings::Surroundings;

/// How long a drive may take to read or write a whole shard for a duty: it may be busy with its clients, and a duty
/// has time. Milliseconds.
const SHARD_TIMEOUT_MS: u64 = 30_000;

/// The drives and ranges of other nodes.
struct Remote {
    shards: RemoteShards,
    ranges: RemoteRanges,
}

/// The cluster as one of its nodes reaches it.
pub struct Routes {
    here: Weak<LocalService>,
    id: NodeId,
    map: Arc<SharedMap>,
    remote: Option<Remote>,
}

/// Where something lives.
enum Way<'a> {
    Here(Arc<LocalService>),
    There(&'a Remote),
    Nowhere,
}

impl Routes {
    pub(crate) fn new(here: &Arc<LocalService>, surroundings: &Surroundings) -> Self {
        let Surroundings { id, map, transport, .. } = surroundings.clone();
        let source: Arc<dyn MapSource> = Arc::clone(&map) as Arc<dyn MapSource>;
        let remote = transport.map(|transport| Remote {
            shards: RemoteShards::new(Arc::clone(&transport), Arc::clone(&source)),
            ranges: RemoteRanges::new(transport, source),
        });
        Self { here: Arc::downgrade(here), id, map, remote }
    }

    /// The client of this node, which asks the meta group until `stopping` says so.
    pub(crate) fn client(self: &Arc<Self>, env: Env, stopping: watch::Receiver<bool>) -> Client {
        let components = Components { shards: self.clone(), ranges: self.clone(), map: self.map.clone(), env };
        let settings = Settings {
            shard_read_timeout_ms: SHARD_TIMEOUT_MS,
            shard_write_timeout_ms: SHARD_TIMEOUT_MS,
            ..Settings::default()
        };
        Client::with_meta(components, settings, MetaGroup::new(Arc::clone(&self.map), stopping))
    }

    fn way(&self, drive: DriveId) -> Way<'_> {
        if self.map.node_of(drive) == Some(self.id) {
            return self.here.upgrade().map_or(Way::Nowhere, Way::Here);
        }
        self.remote.as_ref().map_or(Way::Nowhere, Way::There)
    }
}

fn nowhere() -> ShardError {
    ShardError::Down("the drive is not reachable from here".to_owned())
}

fn no_range() -> RangeError {
    RangeError::Unavailable { reason: "the replica is not reachable from here".to_owned(), maybe_done: false }
}

#[async_trait]
impl ShardClient for Routes {
    async fn put_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        match self.way(drive) {
            Way::Here(here) => here.put_shard(drive, request).await,
            Way::There(remote) => remote.shards.put_shard(drive, request).await,
            Way::Nowhere => Err(nowhere()),
        }
    }

    async fn get_shard(&self, drive: DriveId, request: GetShard) -> Result<ShardFrames, ShardError> {
        match self.way(drive) {
            Way::Here(here) => here.get_shard(drive, request).await,
            Way::There(remote) => remote.shards.get_shard(drive, request).await,
            Way::Nowhere => Err(nowhere()),
        }
    }

    async fn report(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        match self.way(drive) {
            Way::Here(here) => here.report(drive, shard, owner).await,
            Way::There(remote) => remote.shards.report(drive, shard, owner).await,
            Way::Nowhere => {}
        }
    }
}

#[async_trait]
impl ShardDuties for Routes {
    async fn restore_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        match self.way(drive) {
            Way::Here(here) => here.restore_shard(drive, request).await,
            Way::There(remote) => remote.shards.restore_shard(drive, request).await,
            Way::Nowhere => Err(nowhere()),
        }
    }

    async fn delete_shard(&self, drive: DriveId, shard: ShardId, owner: &Owner) -> Result<bool, ShardError> {
        match self.way(drive) {
            Way::Here(here) => here.delete_shard(drive, shard, owner).await,
            Way::There(remote) => remote.shards.delete_shard(drive, shard, owner).await,
            Way::Nowhere => Err(nowhere()),
        }
    }

    async fn delete_blob(&self, drive: DriveId, blob: BlobId, owner: &Owner) -> Result<u64, ShardError> {
        match self.way(drive) {
            Way::Here(here) => here.delete_blob(drive, blob, owner).await,
            Way::There(remote) => remote.shards.delete_blob(drive, blob, owner).await,
            Way::Nowhere => Err(nowhere()),
        }
    }

    async fn verify_shard(&self, drive: DriveId, shard: ShardId) -> Result<(), ShardError> {
        match self.way(drive) {
            Way::Here(here) => here.verify_shard(drive, shard).await,
            Way::There(remote) => remote.shards.verify_shard(drive, shard).await,
            Way::Nowhere => Err(nowhere()),
        }
    }
}

#[async_trait]
impl RangeClient for Routes {
    async fn describe(&self, start: Bytes, end: Bytes) -> Result<Vec<RangeDescriptor>, RangeError> {
        match self.here.upgrade() {
            Some(here) => here.describe(start, end).await,
            None => Err(no_range()),
        }
    }

    async fn execute(&self, address: RangeAddress, request: CommandRequest) -> Result<Outcome, RangeError> {
        match self.way(address.replica) {
            Way::Here(here) => here.execute(address, request).await,
            Way::There(remote) => remote.ranges.execute(address, request).await,
            Way::Nowhere => Err(no_range()),
        }
    }

    async fn query(&self, address: RangeAddress, query: QueryRequest) -> Result<Answer, RangeError> {
        match self.way(address.replica) {
            Way::Here(here) => here.query(address, query).await,
            Way::There(remote) => remote.ranges.query(address, query).await,
            Way::Nowhere => Err(no_range()),
        }
    }

    fn leader_hint(&self, range: RangeId) -> Option<DriveId> {
        self.here.upgrade().and_then(|here| here.leader_hint(range))
    }
}
