//! The cluster's first map: all are members from the start, without tokens and certificates (other tests
//! join with those); rings and ranges are made once all storage nodes are up, as in a real cluster.
//!
//! Must not know: time, randomness.

use couronne_base::testing::WALL_START_US;
use couronne_cluster::changes::{Founding, found, join};
use couronne_cluster::map::{Bootstrap, ClusterMap, MapNode};
use couronne_cluster::{MapError, Role};
use couronne_placement::{Policy, PolicyId, Redundancy};
use couronne_ring::{DriveId, NodeId, RegionName, ZoneName};

/// In how many ranges the keyspace is cut.
const RANGES: u16 = 3;

/// What a simulated cluster is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Storage nodes.
    pub nodes: u16,
    /// Drives of each.
    pub drives: u16,
    /// Gateways.
    pub gateways: u16,
    /// In how many zones the nodes stand.
    pub zones: u16,
    /// What the policy of all buckets promises.
    pub redundancy: Redundancy,
    /// Whether a scrubber runs. Without one nothing rots, and what writes and repair leave undone is seen.
    pub scrubbed: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            nodes: 6,
            drives: 1,
            gateways: 2,
            zones: 3,
            redundancy: Redundancy::Erasure { k: 4, m: 2 },
            scrubbed: true,
        }
    }
}

/// A storage node by its number, from 1.
pub fn storage_node(number: u16) -> NodeId {
    NodeId(u128::from(number))
}

/// A gateway by its number, from 1.
pub fn gateway(number: u16) -> NodeId {
    NodeId(100 + u128::from(number))
}

/// What the ids of the drives of a node differ by.
const DRIVE_STEP: u128 = 1000;

/// The node of a drive.
pub const fn node_of(drive: DriveId) -> NodeId {
    NodeId(drive.0 % DRIVE_STEP)
}

/// The policy of all buckets: small chunks, so that objects have several.
pub fn policy(redundancy: Redundancy) -> Policy {
    Policy {
        id: PolicyId(0),
        name: "standard".into(),
        redundancy,
        chunk_bytes: 128 << 10,
        inline_bytes_max: 2 << 10,
        copies_bytes_max: 16 << 10,
        survives: None,
    }
}

impl Shape {
    /// The zone of a process, by number.
    pub fn zone_of(&self, node: NodeId) -> u128 {
        node.0.checked_rem(u128::from(self.zones)).unwrap_or(0)
    }

    /// The storage nodes.
    pub fn storage_nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.nodes).map(storage_node)
    }

    /// The drives of a storage node.
    pub fn drives_of(&self, node: NodeId) -> impl Iterator<Item = DriveId> + use<> {
        (1..=u128::from(self.drives)).map(move |number| DriveId(number * DRIVE_STEP + node.0))
    }

    /// The gateways.
    pub fn gateways(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.gateways).map(gateway)
    }
}

/// The map with which the simulation begins: founded as any cluster is, and joined by all others.
pub fn map(shape: &Shape) -> Result<ClusterMap, MapError> {
    let place = |id: NodeId, role, name: String| {
        let (region, zone) = (RegionName("region".into()), ZoneName(format!("zone{}", shape.zone_of(id)).into()));
        MapNode { role, address: format!("{name}:1").into(), name: name.into(), region, zone }
    };
    let storage = |number| place(storage_node(number), Role::StorageNode, format!("n{number}"));
    let drives = |number| shape.drives_of(storage_node(number)).map(|drive| (drive, 1)).collect::<Vec<_>>();
    let mut map = found(Founding {
        cluster: 7,
        id: storage_node(1),
        node: storage(1),
        drives: drives(1),
        policy: policy(shape.redundancy),
        bootstrap: Bootstrap { nodes: shape.nodes, ranges: RANGES },
        now_ms: WALL_START_US / 1000,
    })?;
    for number in 2..=shape.nodes {
        join(&mut map, storage_node(number), storage(number), &drives(number))?;
    }
    for number in 1..=shape.gateways {
        join(&mut map, gateway(number), place(gateway(number), Role::Gateway, format!("g{number}")), &[])?;
    }
    Ok(map)
}
