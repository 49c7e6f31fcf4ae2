//! `couronne cluster map`.

use couronne_admin::types::ClusterMap;

/// The cluster map.
pub(crate) fn map(map: &ClusterMap) -> Vec<String> {
    let mut lines = vec![format!("cluster {}, version {} of its map, policy {}", map.cluster, map.version, map.policy)];
    for node in &map.nodes {
        let role = node.role.name();
        lines.push(format!("  {role} {}  {}  {}/{}  {}", node.name, node.address, node.region, node.zone, node.id));
    }
    for drive in &map.drives {
        let since = drive.down_since_ms.map_or_else(String::new, |since| format!(" since {since} ms"));
        let state = drive.state.name();
        lines.push(format!("  drive {}  of {}  weight {}  {state}{since}", drive.id, drive.node, drive.weight));
    }
    for range in &map.ranges {
        let (replicas, voters) = (range.replicas.len(), range.voters.len());
        lines.push(format!("  range {}: {replicas} replicas, {voters} voters", range.range));
    }
    lines
}
