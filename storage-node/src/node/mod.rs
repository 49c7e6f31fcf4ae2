//! A node: one process with its drives, their replicas and shards, serving gateways and its peers.
//!
//! Promises: a drive that is missing, wiped or failing never stops the node, as long as its policy
//! survives the loss; a replica that forgot its past never votes under its old id.
//! Must not know: HTTP, S3, Swift.

mod balance;
mod client;
mod clocks;
mod file;
mod folders;
mod formation;
mod founding;
mod joining;
mod keeper;
mod leaving;
mod policies;
mod replacement;
mod replicas;
mod reports;
mod routes;
mod service;
mod slot;
mod start;
mod status;
mod stores;
mod supervision;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use couronne_base::env::Env;
use couronne_base::watch;
use couronne_metadata::evaluate;
use couronne_metadata::ids::RangeId;
use couronne_placement::Policy;
use couronne_protocol::map::{MapState, SharedMap};
use couronne_protocol::transport::Transport;
use couronne_ring::{DriveId, NodeId};
use parking_lot::{Mutex, RwLock};
use thiserror::Error;

use crate::clock::ClockGuard;
use crate::consensus::{ConsensusSettings, LocalPeers, RaftService};
use crate::duties::{self, Duties, DutySettings};
use crate::range_server::RangeServer;
use file::NodeFile;
pub use folders::{empty_folder, is_in_use, open_folder, open_folders};
use reports::Heard;
pub use reports::HeardMember;
pub use routes::Routes;
pub use service::NodeService;
pub use slot::NodeDrive;
pub(crate) use slot::Slot;
pub use start::Connect;
pub use status::{DriveStatus, NodeStatus, RangeStatus};
pub use stores::{MemoryStores, RocksStores, Stores, replica_store};

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The policy does not fit the drives, or is not the one the node was formed with.
    #[error("policy {0}")]
    Policy(String),
    /// A drive is not what it should be.
    #[error("drive {0}")]
    Drive(String),
    /// A drive lost durable bytes of its log.
    #[error("log of drive {0}")]
    CorruptLog(String),
    /// Another process has the drive.
    #[error("drive {0} is in use by another process")]
    InUse(String),
    /// Too few drives of the node are here.
    #[error("too few drives: {0}")]
    TooFewDrives(String),
    /// A file could not be read or written.
    #[error("node: {0}")]
    Io(#[from] std::io::Error),
    /// A replica did not start.
    #[error("starting replica: {0}")]
    Replica(String),
    /// The drives belong to no cluster yet.
    #[error(
        "belongs to no cluster yet: found one with `couronne cluster init`, or join one with `couronne cluster join`"
    )]
    NoMember,
    /// The group that keeps the cluster map does not answer.
    #[error("cluster map: {0}")]
    Map(String),
}

/// What a user tunes of a node.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// The policy of new buckets, fixed at the first start of a lone node; later starts must name the
    /// same redundancy, or none.
    pub policy: Option<Policy>,
    /// In how many ranges the keyspace is cut at the first start.
    pub range_count: u16,
    /// Elections and leases.
    pub consensus: ConsensusSettings,
    /// Evaluation of commands.
    pub evaluation: evaluate::Settings,
    /// Background duties.
    pub duties: DutySettings,
    /// How long certificates serve that this node signs.
    pub certificate_lifetime: Duration,
}

/// One process with all its drives.
pub struct LocalNode {
    env: Env,
    id: NodeId,
    settings: NodeSettings,
    local_peers: LocalPeers,
    slots: ArcSwap<BTreeMap<DriveId, Arc<Slot>>>,
    /// Drives that were let go of, and whether something still uses their files.
    released: Mutex<BTreeMap<DriveId, [Weak<()>; 2]>>,
    /// Drives that came back with less than they once knew; they get new replicas.
    forgetful: Vec<DriveId>,
    /// The newest map known here. It stands in the file first.
    map: Arc<SharedMap>,
    /// Held while the file is written.
    file: tokio::sync::Mutex<NodeFile>,
    /// The way to other nodes, if there are any.
    transport: Option<Arc<dyn Transport>>,
    routes: Arc<Routes>,
    /// What other nodes' replicas ask of those here.
    raft_service: RaftService,
    heard: Mutex<Heard>,
    pub(crate) clock: Arc<ClockGuard>,
    /// Which keeper led the map's group when last heard of.
    keeper_leader: Mutex<Option<DriveId>>,
    servers: RwLock<BTreeMap<(RangeId, DriveId), Arc<RangeServer>>>,
    /// Held while replicas are opened.
    opening: tokio::sync::Mutex<()>,
    stopping: watch::Sender<bool>,
    pub(crate) duties: Duties,
}

impl LocalNode {
    /// The node's identity.
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// The node's surroundings.
    pub(crate) const fn env(&self) -> &Env {
        &self.env
    }

    /// Whether there are no other nodes: then all replicas of all ranges are here.
    pub(crate) const fn is_alone(&self) -> bool {
        self.transport.is_none()
    }

    /// The way to other nodes, if there are any.
    pub const fn transport(&self) -> Option<&Arc<dyn Transport>> {
        self.transport.as_ref()
    }

    /// The way to all drives and ranges of the cluster.
    pub const fn routes(&self) -> &Arc<Routes> {
        &self.routes
    }

    /// The newest map known here.
    pub fn map(&self) -> Arc<MapState> {
        self.map.state()
    }

    /// The same, for all that look at it in this process.
    pub const fn shared_map(&self) -> &Arc<SharedMap> {
        &self.map
    }

    /// The drives that were opened.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Arc<Slot>> + use<> {
        self.slots.load().values().cloned().collect::<Vec<_>>().into_iter()
    }

    /// An opened drive.
    pub(crate) fn slot(&self, drive: DriveId) -> Option<Arc<Slot>> {
        self.slots.load().get(&drive).cloned()
    }

    /// The drives of this node that could not be opened.
    pub(crate) fn missing(&self) -> Vec<DriveId> {
        let slots = self.slots.load();
        self.map().drives_of(self.id).filter(|drive| !slots.contains_key(drive)).collect()
    }

    /// The replicas of the keyspace's ranges that serve here.
    pub(crate) fn servers(&self) -> Vec<Arc<RangeServer>> {
        let servers = self.servers.read();
        servers.values().filter(|server| !server.keeps_map()).cloned().collect()
    }

    /// The replicas of this node that lead their ranges of the keyspace.
    pub(crate) fn leaders(&self) -> Vec<Arc<RangeServer>> {
        self.servers().into_iter().filter(|server| server.consensus().leadership().is_some()).collect()
    }

    /// All replicas that serve here, those that keep the map included.
    pub(crate) fn all_servers(&self) -> Vec<Arc<RangeServer>> {
        self.servers.read().values().cloned().collect()
    }

    /// Whether the node stops.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// An operator confirms that the wall clock is right: duties that were halted by a leap go on.
    pub async fn confirm_clock(&self) {
        self.clock.confirm();
        // The next start is to believe it too.
        self.note_time().await;
    }

    /// An operator wants everything repaired now: every blob of the ranges led here is looked for.
    pub fn start_repair(&self) {
        duties::start_repair(self);
    }

    /// An operator wants a round of the scrubber now; `false` if one is under way.
    pub fn start_scrub(&self) -> bool {
        duties::start_scrub(self)
    }

    /// Resolves when the node stops.
    pub(crate) async fn stopped(&self) {
        // An error means that the node is gone.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}
