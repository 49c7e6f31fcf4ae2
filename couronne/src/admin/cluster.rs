//! The cluster map, as the admin API gives it.
//!
//! Must not know: how it is asked for or shown.

use couronne_cluster::Role;
use couronne_cluster::map::{MapRange, MapState};

use super::messages::{MapDriveMessage, MapMessage, MapNodeMessage, MapRangeMessage};

/// The map as a message.
pub(super) fn map_message(map: &MapState) -> MapMessage {
    let nodes = map.nodes.iter().map(|(id, node)| MapNodeMessage {
        id: id.to_string(),
        name: node.name.to_string(),
        role: if node.role == Role::Gateway { "gateway" } else { "storage node" }.to_owned(),
        address: node.address.to_string(),
        region: node.region.0.to_string(),
        zone: node.zone.0.to_string(),
    });
    let name = |id| map.nodes.get(&id).map_or_else(String::new, |node| node.name.to_string());
    let drives = map.drives.iter().map(|(id, drive)| MapDriveMessage {
        id: id.to_string(),
        node: name(drive.node),
        weight: drive.weight,
        state: drive.state().to_string(),
        down_since_ms: drive.down_since_ms,
    });
    let range = |range: &MapRange| MapRangeMessage {
        range: range.id.0,
        replicas: range.replicas.values().map(ToString::to_string).collect(),
    };
    MapMessage {
        cluster: format!("{:032x}", map.cluster),
        version: map.version,
        formed: map.formation.is_none(),
        policy: map.redundancy().map_or_else(String::new, |redundancy| redundancy.to_string()),
        nodes: nodes.collect(),
        drives: drives.collect(),
        ranges: map.all_ranges().map(range).collect(),
    }
}
