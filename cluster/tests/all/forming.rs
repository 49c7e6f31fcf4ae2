//! Founding and forming.

use std::collections::BTreeSet;

use couronne_cluster::changes;
use couronne_cluster::map::ReplicaId;
use proptest::prelude::*;

use crate::support::{founded, join, members};

#[test]
fn a_cluster_is_formed_when_all_are_there_and_its_replicas_are_on_distinct_nodes() {
    let mut map = founded(6, 0, "ec:4+2");
    assert_eq!(map.meta_group.replicas.len(), 1);
    for number in 2..=6 {
        assert!(!changes::are_all_there(&map));
        join(&mut map, number, 0);
    }
    assert!(changes::are_all_there(&map));
    assert_eq!(changes::complete_meta_group(&mut map), Ok(true));
    assert_eq!(changes::complete_meta_group(&mut map), Ok(false));
    assert!(map.meta_group.replicas.contains_key(&ReplicaId(1)) && map.meta_group.initial_voters.len() == 1);
    changes::form(&mut map).unwrap();
    for range in map.all_ranges() {
        let nodes: BTreeSet<_> = range.replicas.values().map(|drive| map.drives[drive].node).collect();
        assert_eq!(nodes.len(), 5);
    }
    assert_eq!(map.view().rings.len(), 1);
    let before = map.clone();
    changes::form(&mut map).unwrap();
    assert_eq!(map, before, "it is formed once");
}

#[test]
fn a_cluster_is_formed_once_all_replicas_of_the_meta_group_are_its_voters() {
    let mut map = founded(6, 0, "ec:4+2");
    (2..=6).for_each(|number| join(&mut map, number, 0));
    let first = map.meta_group.replicas.clone();
    map.meta_group.members = Some(members(1, first.clone()));
    assert!(!changes::can_form(&map), "a group of one is what it ought to be, and is too small");
    changes::complete_meta_group(&mut map).unwrap();
    assert!(!changes::can_form(&map));
    let all = map.meta_group.replicas.clone();
    let mut voters = first;
    for (index, (replica, drive)) in (2..).zip(all.clone()) {
        assert!(voters == all || !changes::can_form(&map));
        voters.insert(replica, drive);
        map.meta_group.members = Some(members(index, voters.clone()));
    }
    assert!(changes::can_form(&map));
    changes::form(&mut map).unwrap();
    // What is lost later unforms nothing.
    voters.pop_first();
    map.meta_group.members = Some(members(9, voters));
    let before = map.clone();
    assert!(!changes::can_form(&map) && !changes::are_all_there(&map));
    changes::form(&mut map).unwrap();
    assert_eq!(map, before);
}

#[test]
fn a_cluster_of_one_is_formed_at_once() {
    let map = founded(1, 0, "single");
    assert!(map.bootstrap.is_none() && map.ranges.len() == 4);
    assert!(map.all_ranges().all(|range| range.initial_voters == range.replicas));
}

#[test]
fn a_cluster_whose_policy_its_drives_cannot_hold_stays_as_it_is() {
    let mut map = founded(4, 0, "ec:4+2");
    (2..=4).for_each(|number| join(&mut map, number, 0));
    let before = map.clone();
    for error in [changes::complete_meta_group(&mut map).unwrap_err(), changes::form(&mut map).unwrap_err()] {
        assert!(error.to_string().contains("needs 5 drives; there are 4"), "{error}");
    }
    assert_eq!(map, before);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn the_order_of_joining_decides_nothing(order in Just((2..=7u128).collect::<Vec<_>>()).prop_shuffle()) {
        let form = |order: &[u128]| {
            let mut map = founded(7, 1, "ec:4+2");
            order.iter().for_each(|number| join(&mut map, *number, number % 3));
            changes::complete_meta_group(&mut map).unwrap();
            changes::form(&mut map).unwrap();
            map
        };
        prop_assert_eq!(form(&order), form(&[2, 3, 4, 5, 6, 7]));
    }
}
