//! Which replicas speak to each other, by the map.

use std::collections::BTreeMap;

use couronne_cluster::changes;
use couronne_cluster::map::{MAP_RANGE, ReplicaId};
use couronne_metadata::ids::RangeId;
use couronne_ring::{DriveId, NodeId};

use crate::support::formed;

#[test]
fn a_replica_is_heard_by_the_members_of_its_range_from_the_node_of_its_drive_alone() {
    let mut map = formed(6, 3, "ec:2+1");
    let members = |map: &couronne_cluster::map::ClusterMap, range: usize| {
        let of_drive = |(replica, drive): (&ReplicaId, &DriveId)| (*replica, *drive, map.drives[drive].node);
        map.ranges[range].replicas.iter().map(of_drive).collect::<Vec<_>>()
    };
    let (first, second) = (members(&map, 0), members(&map, 1));
    let [(recipient, ..), (sender, drive, node), ..] = first[..] else { panic!("three replicas") };
    assert!(map.hears(recipient, (node, drive, sender)));
    let (outsider, of_outsider, its_node) = second[0];
    assert!(!map.hears(recipient, (its_node, of_outsider, outsider)), "of another range");
    assert!(!map.hears(recipient, (its_node, drive, sender)), "another node");
    assert!(!map.hears(recipient, (its_node, of_outsider, sender)), "another drive");
    assert!(!map.hears(ReplicaId(9_999), (node, drive, sender)), "no such recipient");
    // As the members with which it began both are heard too.
    let mut founding = map.clone();
    founding.ranges[0].initial_voters = std::mem::take(&mut founding.ranges[0].replicas);
    assert!(founding.hears(recipient, (node, drive, sender)));
    founding.ranges[0].initial_voters = BTreeMap::new();
    assert!(!founding.hears(recipient, (node, drive, sender)));
    map.ranges[0].initial_voters = BTreeMap::new();
    // One that was given up is heard no more, the one in its place is.
    changes::give_up_replica(&mut map, sender).unwrap();
    assert!(!map.hears(recipient, (node, drive, sender)));
    let renewed = members(&map, 0).into_iter().find(|(_, at, _)| *at == drive).unwrap().0;
    assert!(renewed != sender && map.hears(recipient, (node, drive, renewed)));
    changes::expel(&mut map, node, true, 5).unwrap();
    assert!(!map.hears(recipient, (node, drive, renewed)), "its node was expelled");
}

#[test]
fn a_node_speaks_for_the_groups_of_which_it_has_a_replica_wanted_joining_or_leaving() {
    let mut map = formed(6, 3, "ec:2+1");
    let range = map.ranges[0].id;
    let (&replica, &drive) = map.ranges[0].replicas.iter().next().unwrap();
    let node = map.drives[&drive].node;
    assert!(map.has_replica(node, range));
    let speaking = |map: &couronne_cluster::map::ClusterMap, range| {
        (1..=9).filter(|number| map.has_replica(NodeId(*number), range)).count()
    };
    assert_eq!((speaking(&map, range), speaking(&map, MAP_RANGE), speaking(&map, RangeId(99))), (3, 3, 0));
    // It leaves, and speaks for the group until that is without it; so does one with which the group begins.
    map.ranges[0].initial_voters.clear();
    map.ranges[0].replicas.remove(&replica);
    assert!(!map.has_replica(node, range));
    map.ranges[0].leaving.insert(replica, drive);
    assert!(map.has_replica(node, range));
    map.ranges[0].initial_voters = std::mem::take(&mut map.ranges[0].leaving);
    assert!(map.has_replica(node, range));
    changes::expel(&mut map, node, true, 5).unwrap();
    assert!(!map.has_replica(node, range));
}
