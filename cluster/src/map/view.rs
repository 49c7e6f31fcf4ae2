//! The map as readers and writers of data look at it.
//!
//! Must not know: ranges, members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use couronne_placement::{Policy, PolicyId};
use couronne_ring::{DriveId, NodeId, RegionName, Ring, ZoneName};

use crate::drive_state::DriveState;

/// A drive of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDrive {
    /// Its node.
    pub node: NodeId,
    /// Its zone.
    pub zone: ZoneName,
    /// Its region.
    pub region: RegionName,
    /// Whether it serves, and takes new shards.
    pub state: DriveState,
}

/// What everyone knows of the cluster.
#[derive(Clone, Debug)]
pub struct MapView {
    /// Rises with every change.
    pub version: u64,
    /// The cluster's own random identity.
    pub cluster: u128,
    /// The drives.
    pub drives: BTreeMap<DriveId, MapDrive>,
    /// The drives among these that never come back: each chunk's shards on them belong on others.
    pub gone: Vec<DriveId>,
    /// The policies.
    pub policies: BTreeMap<PolicyId, Policy>,
    /// The ring of each policy.
    pub rings: BTreeMap<PolicyId, Arc<Ring>>,
    /// The policy of buckets that name none.
    pub default_policy: PolicyId,
}

impl MapView {
    /// How a drive is; one that the map does not have is down.
    pub fn drive_state(&self, drive: DriveId) -> DriveState {
        self.drives.get(&drive).map_or(DriveState::DOWN, |drive| drive.state)
    }

    /// The storage nodes with a drive that serves, and all others: where any of them will do, these are asked after those.
    pub fn serving_and_other_nodes(&self) -> (Vec<NodeId>, Vec<NodeId>) {
        let drives = || self.drives.values();
        let serving: BTreeSet<NodeId> = drives().filter(|drive| drive.state.is_up()).map(|drive| drive.node).collect();
        let others: BTreeSet<NodeId> =
            drives().map(|drive| drive.node).filter(|node| !serving.contains(node)).collect();
        (serving.into_iter().collect(), others.into_iter().collect())
    }

    /// The storage nodes, those with a drive that serves first.
    pub fn storage_nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        let (serving, others) = self.serving_and_other_nodes();
        serving.into_iter().chain(others)
    }
}
