//! Members that are expelled.

use couronne_cluster::map::MapNode;
use couronne_cluster::{DriveState, MapError, Role, changes};
use couronne_ring::NodeId;

use crate::support::{Heard, drive_of, formed, founded, join, node};

#[test]
fn an_expelled_gateway_is_gone_and_its_identity_never_joins_again() {
    let mut map = formed(3, 3, "replicated:2");
    let gateway = MapNode { role: Role::Gateway, name: "g1".into(), address: "".into(), ..node(7, 0) };
    changes::join(&mut map, NodeId(7), gateway.clone(), &[]).unwrap();
    assert!(map.is_member(NodeId(7), Role::Gateway) && !map.is_member(NodeId(7), Role::StorageNode));
    assert_eq!(changes::expel(&mut map, NodeId(7), false, 5), Ok(true));
    assert_eq!(changes::expel(&mut map, NodeId(7), false, 6), Ok(false), "a repeat");
    assert!(!map.is_member(NodeId(7), Role::Gateway) && !map.nodes.contains_key(&NodeId(7)));
    let before = map.clone();
    for role in [Role::Gateway, Role::StorageNode] {
        let again = MapNode { role, ..node(7, 0) };
        assert_eq!(changes::join(&mut map, NodeId(7), again, &[(drive_of(7), 1)]), Err(MapError::Expelled));
    }
    assert_eq!(map, before);
    changes::join(&mut map, NodeId(8), gateway, &[]).unwrap();
    assert_eq!(changes::expel(&mut map, NodeId(99), false, 5), Err(MapError::UnknownMember));
}

#[test]
fn the_drives_of_an_expelled_storage_node_are_down_for_good() {
    let mut map = formed(6, 3, "ec:4+2");
    assert_eq!(changes::expel(&mut map, NodeId(2), false, 5), Ok(true));
    assert!(!map.is_member(NodeId(2), Role::StorageNode));
    assert_eq!(map.storage_nodes().count(), 5);
    let state = |map: &couronne_cluster::map::ClusterMap| map.drives[&drive_of(2)].state_at(1_000, 300);
    assert_eq!(state(&map), DriveState::LOST);
    // It never comes back: nobody waits for the grace.
    let mut soon = map.clone();
    let waited = Heard { grace_ms: Some(300), ..Heard::default() };
    assert_eq!(changes::follow_reports(&mut soon, &waited, 6).unwrap().lost, [drive_of(2)]);
    let well = Heard { drives: Some(DriveState::WRITABLE), are_led: true, ..Heard::default() };
    changes::follow_reports(&mut map, &well, 20).unwrap();
    assert_eq!(state(&map), DriveState::LOST, "what it said before counts no more");
    // Its name is free, its drive is not.
    changes::join(&mut map, NodeId(7), MapNode { name: "n2".into(), ..node(7, 0) }, &[(drive_of(7), 1)]).unwrap();
    let stolen = changes::join(&mut map, NodeId(8), node(8, 0), &[(drive_of(2), 1)]);
    assert_eq!(stolen, Err(MapError::DriveOfAnother));
}

#[test]
fn no_member_is_expelled_that_a_range_or_the_data_needs() {
    let mut map = formed(3, 3, "replicated:2");
    let before = map.clone();
    // One that is down already, and then another: one of three replicas would be left.
    changes::expel(&mut map, NodeId(1), false, 5).unwrap();
    let refused = changes::expel(&mut map, NodeId(2), true, 6);
    assert!(matches!(refused, Err(MapError::NoQuorumLeft(_))), "{refused:?}");

    let mut map = before;
    join(&mut map, 4, 1);
    map.drives.get_mut(&drive_of(4)).unwrap().down_since_ms = Some(1);
    assert_eq!(changes::expel(&mut map, NodeId(2), false, 5), Err(MapError::AnotherIsDown(drive_of(4))));
    assert_eq!(changes::expel(&mut map, NodeId(2), true, 5), Ok(true));

    // Of an expelled node's drive nothing is waited for once it is lost.
    let (mut map, first, second) = (formed(7, 3, "ec:4+2"), NodeId(6), NodeId(7));
    changes::expel(&mut map, first, false, 5).unwrap();
    let its_drive = map.drives_of(first).next().unwrap();
    assert_eq!(changes::expel(&mut map, second, false, 6), Err(MapError::AnotherIsDown(its_drive)));
    map.drives.get_mut(&its_drive).unwrap().lost_version = Some(map.version);
    assert_eq!(changes::expel(&mut map, second, false, 6), Ok(true));

    let mut map = founded(1, 0, "single");
    join(&mut map, 2, 0);
    let before = map.clone();
    assert_eq!(changes::expel(&mut map, NodeId(2), false, 5), Ok(true), "it holds nothing");
    map = before;
    assert!(matches!(changes::expel(&mut map, NodeId(1), true, 5), Err(MapError::NoQuorumLeft(_))));
}

#[test]
fn a_node_with_the_only_copies_is_expelled_by_force_alone() {
    let mut map = formed(3, 3, "single");
    // Ranges of one replica each, none of them on the third node once they are moved off it.
    for range in std::iter::once(&mut map.meta_group).chain(&mut map.ranges) {
        range.replicas.values_mut().for_each(|drive| *drive = drive_of(1));
    }
    let refused = changes::expel(&mut map, NodeId(3), false, 5);
    assert_eq!(refused, Err(MapError::NotSpared("standard".to_owned())));
    assert_eq!(changes::expel(&mut map, NodeId(3), true, 5), Ok(true));
}

#[test]
fn the_key_that_an_expelled_storage_node_has_gives_way_in_two_steps() {
    let mut map = formed(6, 3, "ec:4+2");
    let (first, second, third) = ([1; 8], [2; 8], [3; 8]);
    assert!(map.cluster_key.is_due() && !map.cluster_key.is_changing());
    assert!(map.take_cluster_key(first, 0) && !map.take_cluster_key(second, 0));
    assert!(!map.cluster_key.is_due() && !map.cluster_key.is_changing());
    changes::expel(&mut map, NodeId(2), false, 5).unwrap();
    assert!(map.cluster_key.is_due() && map.cluster_key.is_changing());
    assert!(!map.take_cluster_key(second, 0), "the expelled one may have been given it");
    assert!(map.take_cluster_key(second, 1));
    assert_eq!((map.cluster_key.newest, map.cluster_key.older), (Some(second), Some(first)));
    // What is expelled meanwhile has both: a third key comes, but only once the first one seals nothing.
    map.cluster_key.is_exposed = true;
    assert!(!map.take_cluster_key(third, 1) && map.cluster_key.is_changing());
    assert!(!map.retire_older_cluster_key(first) && map.retire_older_cluster_key(second));
    assert!(map.take_cluster_key(third, 1) && map.retire_older_cluster_key(third));
    assert_eq!(map.cluster_key.newest, Some(third));
    assert!(map.cluster_key.older.is_none() && !map.cluster_key.is_changing());
    assert!(map.reset_cluster_key(first) && !map.reset_cluster_key(first));
}
