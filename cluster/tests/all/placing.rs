//! Where replicas go when drives are lost, and when they are back.

use std::collections::{BTreeMap, BTreeSet};

use couronne_cluster::changes::{self, Founding, Placed};
use couronne_cluster::map::{Bootstrap, ClusterMap};
use couronne_ring::{DriveId, NodeId};
use proptest::prelude::*;

use crate::support::{drive_of, formed, grown, node, policy, settle};

const GRACE_MS: u64 = 300;

/// A formed cluster whose groups are what they ought to be.
fn running(nodes: u16, redundancy: &str) -> ClusterMap {
    let mut map = formed(nodes, u128::from(nodes), redundancy);
    settle(&mut map, 1);
    map
}

/// A cluster of so many nodes of as many drives each.
fn of_drives(nodes: u128, drives: u128, redundancy: &str) -> ClusterMap {
    let drives_of = |number: u128| (0..drives).map(|drive| (DriveId(100 * number + drive), 1)).collect::<Vec<_>>();
    let bootstrap = Bootstrap { nodes: u16::try_from(nodes).unwrap(), ranges: 4 };
    let (policy, first) = (policy(redundancy), node(1, 1));
    let drives = drives_of(1);
    let founding = Founding { cluster: 9, id: NodeId(1), node: first, drives, policy, bootstrap, now_ms: 0 };
    let mut map = changes::found(founding).unwrap();
    for number in 2..=nodes {
        changes::join(&mut map, NodeId(number), node(number, number), &drives_of(number)).unwrap();
    }
    changes::complete_meta_group(&mut map).unwrap();
    changes::form(&mut map).unwrap();
    settle(&mut map, 1);
    map
}

/// Has the drives of a node be down since a time, or serve again.
fn set_node(map: &mut ClusterMap, number: u128, down_since_ms: Option<u64>) {
    let drives = map.drives.values_mut().filter(|drive| drive.node == NodeId(number));
    drives.for_each(|drive| drive.down_since_ms = down_since_ms);
}

fn place(map: &mut ClusterMap, now_ms: u64) -> Vec<Placed> {
    changes::place_replicas(map, |_| true, now_ms, GRACE_MS)
}

/// Has replicas be placed and groups follow until nothing changes any more.
fn rest(map: &mut ClusterMap, now_ms: u64) {
    for index in 2..40 {
        if place(map, now_ms).is_empty() {
            return;
        }
        check(map);
        settle(map, index);
    }
    panic!("replicas are placed without an end: {:?}", map.ranges);
}

fn check(map: &ClusterMap) {
    for range in map.all_ranges() {
        let drives: BTreeSet<DriveId> = range.places().map(|(_, drive)| drive).collect();
        assert_eq!(drives.len(), range.places().count(), "two replicas share a drive: {range:?}");
        assert!(range.replicas.len() > map.metadata_losses() && range.replicas.len() <= map.metadata_replicas());
    }
}

/// How many replicas of each range a node has, at most.
fn most_on_a_node(map: &ClusterMap) -> usize {
    let of_range = |replicas: &BTreeMap<_, DriveId>| {
        let mut nodes: BTreeMap<NodeId, usize> = BTreeMap::new();
        replicas.values().for_each(|drive| *nodes.entry(map.drives[drive].node).or_default() += 1);
        nodes.into_values().max().unwrap()
    };
    map.all_ranges().map(|range| of_range(&range.replicas)).max().unwrap()
}

fn sizes(map: &ClusterMap) -> BTreeSet<usize> {
    map.all_ranges().map(|range| range.replicas.len()).collect()
}

fn has_replicas(map: &ClusterMap, number: u128) -> bool {
    map.places().iter().any(|(_, drive)| map.drives[drive].node == NodeId(number))
}

#[test]
fn a_replica_goes_to_a_free_failure_domain_once_its_drive_is_lost() {
    let mut map = running(7, "ec:4+2");
    let before = map.clone();
    set_node(&mut map, 1, Some(100));
    assert_eq!(place(&mut map, 399), Vec::new(), "the drive is waited for");
    assert_eq!(changes::place_replicas(&mut map, |_| false, 400, GRACE_MS), Vec::new(), "nobody leads");
    let placed = place(&mut map, 400);
    assert_eq!(placed.len(), before.places().iter().filter(|(_, drive)| *drive == drive_of(1)).count());
    check(&map);
    for Placed { range, from, to } in placed {
        let (range, was) = (map.range(range).unwrap(), before.range(range).unwrap());
        assert_eq!(from, Some(drive_of(1)));
        assert!(!was.replicas.values().any(|drive| Some(*drive) == to), "it had none of the range");
        // Until the group is without it, the old one runs wherever it is.
        assert!(range.leaving.values().eq([&drive_of(1)]));
        assert!(range.replicas.keys().all(|replica| replica.0 < map.next_replica));
    }
    assert!(has_replicas(&map, 1) && place(&mut map, 500).is_empty());
    settle(&mut map, 2);
    assert!(!has_replicas(&map, 1) && most_on_a_node(&map) == 1);
}

#[test]
fn an_expelled_nodes_replicas_go_elsewhere_without_a_grace() {
    let mut map = running(7, "ec:4+2");
    changes::expel(&mut map, NodeId(1), false, 100).unwrap();
    assert!(has_replicas(&map, 1) && !place(&mut map, 100).is_empty());
    settle(&mut map, 2);
    assert!(!has_replicas(&map, 1) && most_on_a_node(&map) == 1);
}

#[test]
fn without_a_free_domain_a_node_gets_a_second_replica_and_never_half_of_them() {
    let mut map = of_drives(5, 2, "ec:2+2");
    set_node(&mut map, 1, Some(100));
    rest(&mut map, 400);
    assert_eq!((sizes(&map), most_on_a_node(&map)), (BTreeSet::from([5]), 2));
    // Of three replicas two would be more than half.
    let mut map = of_drives(3, 2, "ec:2+1");
    set_node(&mut map, 1, Some(100));
    rest(&mut map, 400);
    assert_eq!((sizes(&map), most_on_a_node(&map)), (BTreeSet::from([2]), 1));
    // Two that had to share a node part when another is back.
    let mut map = of_drives(5, 2, "ec:2+2");
    set_node(&mut map, 2, Some(100));
    rest(&mut map, 400);
    set_node(&mut map, 2, None);
    rest(&mut map, 500);
    assert_eq!((sizes(&map), most_on_a_node(&map)), (BTreeSet::from([5]), 1));
}

#[test]
fn groups_shrink_one_by_one_to_one_more_than_they_survive_and_grow_again() {
    let mut map = running(6, "ec:4+2");
    for (number, size) in [(1, 5), (2, 4), (3, 3), (4, 3)] {
        set_node(&mut map, number, Some(100));
        let before = map.clone();
        let placed = place(&mut map, 400);
        for range in map.all_ranges() {
            let was = before.range(range.id).unwrap();
            assert!(range.replicas.len() + 1 >= was.replicas.len(), "one at a time");
        }
        assert!(placed.len() <= map.all_ranges().count());
        settle(&mut map, 2);
        rest(&mut map, 400);
        assert_eq!(*sizes(&map).first().unwrap(), size, "without {number}");
    }
    for number in [2, 4] {
        set_node(&mut map, number, None);
    }
    rest(&mut map, 500);
    assert_eq!(sizes(&map), BTreeSet::from([4]));
    set_node(&mut map, 1, None);
    rest(&mut map, 600);
    assert_eq!((sizes(&map), most_on_a_node(&map)), (BTreeSet::from([5]), 1));
}

#[test]
fn a_replica_whose_drive_is_back_before_its_group_was_without_it_stays() {
    let mut map = running(5, "ec:2+2");
    let before: Vec<_> = map.all_ranges().map(|range| range.replicas.clone()).collect();
    set_node(&mut map, 1, Some(100));
    assert_eq!(place(&mut map, 400).len(), 5);
    assert_eq!(sizes(&map), BTreeSet::from([4]));
    set_node(&mut map, 1, None);
    assert_eq!(place(&mut map, 500).len(), 5);
    assert!(map.all_ranges().map(|range| &range.replicas).eq(&before));
    assert!(map.all_ranges().all(|range| range.leaving.is_empty()));
}

#[test]
fn on_a_lone_node_every_drive_is_a_failure_domain() {
    let mut map = grown("ec:4+2", 6, 1);
    settle(&mut map, 1);
    let lost = *map.ranges[0].replicas.values().next().unwrap();
    map.drives.get_mut(&lost).unwrap().down_since_ms = Some(100);
    rest(&mut map, 400);
    assert_eq!(sizes(&map), BTreeSet::from([5]));
    assert!(map.places().iter().all(|(_, drive)| *drive != lost));
    // Nodes that join later get replicas of lost drives only.
    let mut map = grown("ec:4+2", 6, 3);
    settle(&mut map, 1);
    assert_eq!(place(&mut map, 400), Vec::new());
}

#[test]
fn a_cluster_that_is_not_formed_keeps_its_meta_group_whole() {
    let mut map = crate::support::founded(5, 1, "ec:2+2");
    (2..=5).for_each(|number| crate::support::join(&mut map, number, number));
    settle(&mut map, 1);
    assert_eq!(place(&mut map, 400), Vec::new(), "it does not grow before all are there");
    changes::complete_meta_group(&mut map).unwrap();
    settle(&mut map, 2);
    set_node(&mut map, 5, Some(100));
    assert_eq!(place(&mut map, 400), Vec::new());
    crate::support::join(&mut map, 6, 6);
    assert_eq!(place(&mut map, 400).len(), 1);
    assert_eq!(map.meta_group.replicas.len(), 5);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    /// Whichever nodes go and come: replicas come to rest, on no lost drive if there is another place, and as many as
    /// the living nodes can hold.
    #[test]
    fn replicas_come_to_rest(
        (nodes, drives) in (3..8u128, 1..4u128),
        turns in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..12),
    ) {
        prop_assume!(nodes * drives >= 5);
        let mut map = of_drives(nodes, drives, "ec:2+2");
        for (turn, (which, is_down)) in (0u64..).zip(turns) {
            let number = which.index(usize::try_from(nodes).unwrap()) as u128 + 1;
            let now_ms = 1000 * (turn + 1);
            set_node(&mut map, number, is_down.then_some(now_ms - GRACE_MS));
            rest(&mut map, now_ms);
            let living = map.nodes.keys().filter(|node| {
                map.drives.values().any(|drive| drive.node == **node && drive.down_since_ms.is_none())
            });
            if living.count() >= 5 {
                prop_assert_eq!((sizes(&map), most_on_a_node(&map)), (BTreeSet::from([5]), 1));
                let is_lost = |drive: &DriveId| map.drives[drive].down_since_ms.is_some();
                prop_assert!(map.places().iter().all(|(_, drive)| !is_lost(drive)));
            }
        }
    }
}
