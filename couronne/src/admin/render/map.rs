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
        let state = drive.down_since_ms.map_or_else(|| "up".to_owned(), |since| format!("down since {since} ms"));
        lines.push(format!("  drive {}  of {}  weight {}  {state}", drive.id, drive.node, drive.weight));
    }
    for range in &map.ranges {
        lines.push(format!("  range {}: {} replicas", range.range, range.replicas.len()));
    }
    lines
}
