//! New members.

use couronne_cluster::map::MapNode;
use couronne_cluster::{MapError, Role, changes};
use couronne_ring::{DriveId, NodeId, ZoneName};

use crate::support::{drive_of, formed, founded, join, node};

#[test]
fn the_same_member_again_changes_its_address_alone() {
    let mut map = founded(3, 0, "single");
    join(&mut map, 2, 0);
    let before = map.clone();
    let moved = MapNode { address: "elsewhere:1".into(), ..node(2, 0) };
    changes::join(&mut map, NodeId(2), moved.clone(), &[(drive_of(2), 77)]).unwrap();
    assert_eq!(map.nodes[&NodeId(2)], moved);
    assert_eq!(map.drives, before.drives);
}

#[test]
fn refused_members_leave_the_map_as_it_was() {
    let mut waiting = founded(3, 0, "single");
    let mut formed = formed(2, 1, "single");
    let gateway = MapNode { role: Role::Gateway, address: "".into(), ..node(7, 0) };
    let drives: &[(DriveId, u32)] = &[(drive_of(7), 1)];
    for map in [&mut waiting, &mut formed] {
        let before = map.clone();
        let mut refused = |node: MapNode, drives: &[(DriveId, u32)], why: MapError| {
            assert_eq!(changes::join(map, NodeId(7), node, drives), Err(why));
            assert_eq!(*map, before);
        };
        refused(node(1, 0), drives, MapError::NameTaken("n1".to_owned()));
        refused(MapNode { name: "".into(), ..node(7, 0) }, drives, MapError::MemberName);
        refused(MapNode { name: "a b".into(), ..gateway.clone() }, &[], MapError::MemberName);
        refused(MapNode { name: "x".repeat(64).into(), ..gateway.clone() }, &[], MapError::MemberName);
        refused(node(7, 0), &[], MapError::NothingToServe);
        refused(MapNode { address: "n7".into(), ..node(7, 0) }, drives, MapError::NothingToServe);
    }
    let turned = MapNode { role: Role::Gateway, ..node(2, 0) };
    assert_eq!(changes::join(&mut formed, NodeId(2), turned, &[]), Err(MapError::OtherRole));
    let taken = [(drive_of(7), 1), (drive_of(1), 1)];
    let before = waiting.clone();
    assert_eq!(changes::join(&mut waiting, NodeId(7), node(7, 0), &taken), Err(MapError::DriveOfAnother));
    assert_eq!(waiting, before);
    changes::join(&mut formed, NodeId(7), gateway, &[]).unwrap();
    assert!(formed.nodes.contains_key(&NodeId(7)), "gateways come and go");
}

#[test]
fn a_storage_node_joins_a_formed_cluster_and_no_ring() {
    let mut map = formed(6, 2, "ec:4+2");
    let before = map.view();
    let drives = [(drive_of(7), 1)];
    for _ in 0..2 {
        changes::join(&mut map, NodeId(7), node(7, 0), &drives).unwrap();
    }
    let after = map.view();
    assert_eq!((map.storage_nodes().count(), after.drives.len()), (7, before.drives.len() + 1));
    assert!(after.rings.values().all(|ring| ring.all_drives().all(|(drive, _)| drive.id != drive_of(7))));
    assert!(map.places().iter().all(|(_, drive)| *drive != drive_of(7)));
}

#[test]
fn a_member_takes_another_name_and_address_and_keeps_its_zone_among_others() {
    let mut map = formed(3, 3, "replicated:2");
    let mut place = MapNode { name: "two".into(), address: "127.0.0.1:222".into(), ..map.nodes[&NodeId(2)].clone() };
    changes::relocate(&mut map, NodeId(2), &place).unwrap();
    assert_eq!(map.nodes[&NodeId(2)], place);
    assert_eq!(changes::relocate(&mut map, NodeId(3), &place), Err(MapError::NameTaken("two".to_owned())));
    place.zone = ZoneName("elsewhere".into());
    let refused = changes::relocate(&mut map, NodeId(2), &place);
    assert!(matches!(refused, Err(MapError::Spread { .. })), "{refused:?}");
    let unknown = MapNode { name: "n99".into(), ..place.clone() };
    assert_eq!(changes::relocate(&mut map, NodeId(99), &unknown), Err(MapError::UnknownMember));
    let turned = MapNode { role: Role::Gateway, ..place.clone() };
    assert_eq!(changes::relocate(&mut map, NodeId(2), &turned), Err(MapError::OtherRole));
    map.nodes.retain(|id, _| *id == NodeId(2));
    changes::relocate(&mut map, NodeId(2), &place).unwrap();
    assert_eq!(map.nodes[&NodeId(2)], place, "alone it may be anywhere");
}
