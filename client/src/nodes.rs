//! Which storage nodes to ask, where any of them will do.

use couronne_cluster::map::ClusterMap;
use couronne_ring::NodeId;

/// The storage nodes, those with a drive that serves first.
pub fn storage_nodes(map: &ClusterMap) -> Vec<NodeId> {
    let serves = |id: &NodeId| map.drives.values().any(|drive| drive.node == *id && drive.down_since_ms.is_none());
    let mut nodes: Vec<NodeId> = map.storage_nodes().map(|(id, _)| *id).collect();
    nodes.sort_by_key(|id| !serves(id));
    nodes
}
