//! The cluster map: nodes, drives, policies, rings. Small, and the same for everyone at one version.
//!
//! [`MapState`] is what the map group keeps and what travels; [`ClusterMap`] is what readers and
//! writers of data look at.

mod shared;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use couronne_placement::{Policy, PolicyId};
use couronne_ring::{DriveId, NodeId, RegionName, ZoneName};

pub use shared::SharedMap;
pub use state::{
    Emptied, Formation, Intake, MAP_RANGE, MapNode, MapPolicy, MapRange, MapState, ReplicaId, StoredDrive,
};

/// Whether a drive can be read and written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveState {
    /// It serves.
    Up,
    /// It serves what it holds; a new shard is better put elsewhere.
    Closed,
    /// It is known to be away: a shard meant for it may be left out.
    Down,
}

/// A drive of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDrive {
    /// Its node.
    pub node: NodeId,
    /// Its zone.
    pub zone: ZoneName,
    /// Its region.
    pub region: RegionName,
    /// Whether it serves.
    pub state: DriveState,
}

/// What everyone knows of the cluster.
#[derive(Clone, Debug)]
pub struct ClusterMap {
    /// Rises with every change.
    pub version: u64,
    /// The cluster's own random identity.
    pub cluster: u128,
    /// The drives.
    pub drives: BTreeMap<DriveId, MapDrive>,
    /// The policies.
    pub policies: BTreeMap<PolicyId, Policy>,
    /// The ring of each policy.
    pub rings: BTreeMap<PolicyId, Arc<couronne_ring::Ring>>,
    /// The policy of buckets that name none.
    pub default_policy: PolicyId,
}

/// Where the current map comes from.
pub trait MapSource: Send + Sync + 'static {
    /// The newest map known here.
    fn current(&self) -> Arc<ClusterMap>;
}
