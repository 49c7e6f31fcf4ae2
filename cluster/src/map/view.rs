//! The map as readers and writers of data look at it.
//!
//! Must not know: ranges, members.

use std::collections::BTreeMap;
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
}
