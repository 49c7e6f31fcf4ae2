//! The cluster map, as the admin API gives it.
//!
//! Must not know: how it is asked for or shown.

use std::collections::BTreeMap;

use couronne_admin::types::{self, DriveState, MapDrive, MapNode, NodeRole};
use couronne_cluster::map::{ClusterMap, MapRange};
use couronne_cluster::{Liveness, Role, WriteState};

/// The map as the API shows it.
pub(super) fn cluster_map(map: &ClusterMap) -> types::ClusterMap {
    let nodes = map.nodes.iter().map(|(id, node)| MapNode {
        id: id.to_string(),
        name: node.name.to_string(),
        role: role(node.role),
        address: node.address.to_string(),
        region: node.region.0.to_string(),
        zone: node.zone.0.to_string(),
    });
    let name = |id| map.nodes.get(&id).map_or_else(String::new, |node| node.name.to_string());
    let drives = map.drives.iter().map(|(id, drive)| MapDrive {
        id: id.to_string(),
        node: name(drive.node),
        weight: drive.weight,
        state: drive_state(drive.state()),
        down_since_ms: drive.down_since_ms,
    });
    let range = |range: &MapRange| types::MapRange {
        range: range.id.0,
        replicas: range.replicas.values().map(ToString::to_string).collect(),
        voters: range.voter_sets().into_iter().flat_map(BTreeMap::values).map(ToString::to_string).collect(),
    };
    types::ClusterMap {
        cluster: format!("{:032x}", map.cluster),
        version: map.version,
        bootstrapped: map.bootstrap.is_none(),
        policy: map.redundancy().map_or_else(String::new, |redundancy| redundancy.to_string()),
        nodes: nodes.collect(),
        drives: drives.collect(),
        ranges: map.all_ranges().map(range).collect(),
        expelled: map.expelled.keys().map(ToString::to_string).collect(),
    }
}

/// How a drive is, as the API shows it.
pub(super) const fn drive_state(state: couronne_cluster::DriveState) -> DriveState {
    match (state.liveness(), state.writes()) {
        (Liveness::Lost, _) => DriveState::Lost,
        (Liveness::Down, _) => DriveState::Down,
        (Liveness::Slow, _) => DriveState::Slow,
        (Liveness::Up, WriteState::Stopping) => DriveState::Stopping,
        (Liveness::Up, WriteState::Full) => DriveState::Full,
        (Liveness::Up, WriteState::Writable) => DriveState::Writable,
    }
}

/// What a process is, as the API shows it.
pub(super) fn role(role: Role) -> NodeRole {
    if role == Role::Gateway { NodeRole::Gateway } else { NodeRole::StorageNode }
}
