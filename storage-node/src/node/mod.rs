//! A node: one process with its drives, their replicas and shards, serving gateways.
//!
//! Promises: a drive that is missing, wiped or failing never stops the node, as long as its policy
//! survives the loss; a replica that forgot its past never votes under its old id.
//! Must not know: HTTP, S3, Swift.

mod client;
mod folders;
mod formation;
mod map;
mod slot;
mod start;
mod status;
mod stores;
mod supervision;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use couronne_metadata::evaluate;
use couronne_metadata::ids::RangeId;
use couronne_placement::Policy;
use couronne_protocol::env::Env;
use couronne_protocol::map::ClusterMap;
use couronne_ring::DriveId;
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tokio::sync::watch;

use crate::consensus::{ConsensusSettings, Switchboard};
use crate::duties::{Duties, DutySettings};
use crate::range_server::RangeServer;
pub use folders::open_folders;
use map::NodeMap;
pub use slot::NodeDrive;
pub(crate) use slot::Slot;
pub use status::{DriveStatus, NodeStatus, RangeStatus};
pub use stores::{MemoryStores, RocksStores, Stores};

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
}

/// What a user tunes of a node.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// The policy of new buckets, fixed at the first start; later starts must name the same redundancy.
    pub policy: Policy,
    /// In how many ranges the keyspace is cut at the first start.
    pub range_count: u16,
    /// Elections and leases.
    pub consensus: ConsensusSettings,
    /// Evaluation of commands.
    pub evaluation: evaluate::Settings,
    /// Background duties.
    pub duties: DutySettings,
}

/// One process with all its drives.
pub struct LocalNode {
    env: Env,
    switchboard: Switchboard,
    slots: BTreeMap<DriveId, Arc<Slot>>,
    /// Drives of the map that are not here.
    missing: Vec<DriveId>,
    map: Mutex<NodeMap>,
    /// Held while the map is changed and saved.
    map_change: tokio::sync::Mutex<()>,
    published: ArcSwap<ClusterMap>,
    servers: RwLock<BTreeMap<(RangeId, DriveId), Arc<RangeServer>>>,
    stopping: watch::Sender<bool>,
    pub(crate) duties: Duties,
}

impl LocalNode {
    /// The node's surroundings.
    pub(crate) const fn env(&self) -> &Env {
        &self.env
    }

    /// The drives that were opened.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.slots.values()
    }

    /// An opened drive.
    pub(crate) fn slot(&self, drive: DriveId) -> Option<&Arc<Slot>> {
        self.slots.get(&drive)
    }

    /// The replicas that serve here.
    pub(crate) fn servers(&self) -> Vec<Arc<RangeServer>> {
        self.servers.read().values().cloned().collect()
    }

    /// The replicas of this node that lead their ranges.
    pub(crate) fn leaders(&self) -> Vec<Arc<RangeServer>> {
        self.servers().into_iter().filter(|server| server.consensus().leadership().is_some()).collect()
    }

    /// Whether the node stops.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// An operator confirms that the wall clock is right: duties that were halted by a leap go on.
    pub async fn confirm_clock(&self) {
        self.duties.confirm_clock();
        // The next start is to believe it too.
        self.note_time().await;
    }

    /// Resolves when the node stops.
    pub(crate) async fn stopped(&self) {
        // An error means that the node is gone.
        drop(self.stopping.subscribe().wait_for(|stopping| *stopping).await);
    }
}
