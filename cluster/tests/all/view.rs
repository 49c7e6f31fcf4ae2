//! The map as readers and writers of data look at it.

use couronne_cluster::changes;
use couronne_ring::NodeId;

use super::support::{drive_of, founded, node};

#[test]
fn storage_nodes_that_serve_come_first() {
    let mut map = founded(4, 1, "replicated:3");
    for number in 2..=4 {
        changes::join(&mut map, NodeId(number), node(number, number), &[(drive_of(number), 1)]).unwrap();
    }
    for away in [1, 3] {
        map.drives.get_mut(&drive_of(away)).unwrap().down_since_ms = Some(1);
    }
    let view = map.view();
    assert_eq!(view.serving_and_other_nodes(), ([2, 4].map(NodeId).to_vec(), [1, 3].map(NodeId).to_vec()));
    assert_eq!(view.storage_nodes().collect::<Vec<_>>(), [2, 4, 1, 3].map(NodeId));
}
