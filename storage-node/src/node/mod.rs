//! A node: one process with its drives, their replicas and shards, serving gateways and its peers.
//!
//! It only assembles its parts ([`crate::drives`], [`crate::replicas`], [`crate::membership`], [`crate::duties`]) and
//! is what other crates see of them.
//! Promises: a drive that is missing, wiped or failing never stops the node, as long as its policy
//! survives the loss; a replica that forgot its past never votes under its old id.
//! Must not know: HTTP, S3, Swift.

mod for_gateways;
mod operate;
mod service;
mod start;
mod status;

use std::sync::Arc;
use std::time::Duration;

use couronne_client::Client;
use couronne_cluster::map::{ClusterMap, MapView};
use couronne_metadata::evaluate;
use couronne_placement::{Redundancy, ShardId};
use couronne_protocol::map::{MapSource, SharedMap};
use couronne_protocol::shard::ShardError;
use couronne_protocol::transport::Transport;
use couronne_ring::{DriveId, NodeId};

use crate::consensus::ConsensusSettings;
pub use crate::drives::{
    DriveNotes, MemoryStores, NodeDrive, NotedDrive, Reopen, RocksStores, Stores, check_makeable, empty_folder,
    is_in_use, open_folder, open_folders, replica_store,
};
use crate::drives::{Drives, ForgetfulDrives, ListedShard, OmittedDrives};
use crate::duties::{DutyContext, DutySettings};
pub use crate::error::NodeError;
pub use crate::membership::{
    ClusterKey, ClusterKeys, DriveOwner, KeepClusterKeys, MemberLiveness, Membership, OwnerNode, ReportedMembers,
    TOKEN_JOINS_MAX, TOKEN_LIFETIME_MAX, TokenPlan, TokenRow,
};
use crate::replicas::Replicas;
pub use crate::replicas::{LeaderFacts, LocalService, RangeStatus, ReadPolicy, Routes};
use crate::stop::StopSignal;
pub use service::NodeService;
pub use start::Connect;
pub use status::{DriveStatus, NodeStatus};

/// What a user tunes of a node.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// The redundancy that the operator expects of the policy with which the cluster was founded; a start that
    /// names another is refused.
    pub redundancy: Option<Redundancy>,
    /// Elections and leases.
    pub consensus: ConsensusSettings,
    /// Evaluation of commands.
    pub evaluation: evaluate::Settings,
    /// By what leaders answer reads.
    pub reads: ReadPolicy,
    /// Background duties.
    pub duties: DutySettings,
    /// How long certificates serve that this node signs.
    pub certificate_lifetime: Duration,
    /// Which node it is, if that is known before its drives are read: drives of other nodes are left out.
    pub node: Option<NodeId>,
    /// What is noted of the drives' folders.
    pub noted: DriveNotes,
    /// The keys of the cluster that the node has.
    pub cluster_keys: ClusterKeys,
}

/// One process with all its drives.
pub struct LocalNode {
    id: NodeId,
    drives: Arc<Drives>,
    replicas: Arc<Replicas>,
    membership: Arc<Membership>,
    duties: Arc<DutyContext>,
    local: Arc<LocalService>,
    routes: Arc<Routes>,
    /// What asks ranges and drives, wherever they are.
    client: Arc<Client>,
    /// Drives that came back with less than they once knew; they get new replicas.
    forgetful: ForgetfulDrives,
    /// Drives that the start left out.
    omitted: OmittedDrives,
    stop: Arc<StopSignal>,
}

impl LocalNode {
    /// The node's identity.
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// The way to other nodes, if there are any.
    pub fn transport(&self) -> Option<&Arc<dyn Transport>> {
        self.membership.transport.as_ref()
    }

    /// The ranges and drives of this node.
    pub const fn local(&self) -> &Arc<LocalService> {
        &self.local
    }

    /// The way to all drives and ranges of the cluster.
    pub const fn routes(&self) -> &Arc<Routes> {
        &self.routes
    }

    /// The newest map known here.
    pub fn map(&self) -> Arc<ClusterMap> {
        self.membership.map()
    }

    /// The same, for all that look at it in this process.
    pub fn shared_map(&self) -> &Arc<SharedMap> {
        &self.membership.map
    }

    /// Ready once another process runs as this node, with the name of a drive's folder that it has a copy of: this one has
    /// to end.
    pub async fn superseded(&self) -> String {
        self.membership.superseded().await
    }

    /// Whether every range has all its replicas here as voters.
    pub fn is_whole(&self) -> bool {
        self.replicas.are_whole()
    }

    /// A page of the shards on a drive of this node, those after one, in their order: for audits.
    pub async fn list_shards(
        &self,
        drive: DriveId,
        after: Option<ShardId>,
        limit: usize,
    ) -> Result<Vec<ListedShard>, ShardError> {
        self.drives.shards(drive)?.list(after, limit).await
    }
}

impl MapSource for LocalNode {
    fn current(&self) -> Arc<MapView> {
        self.membership.map.current()
    }
}
