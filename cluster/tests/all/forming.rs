//! Founding and forming.

use std::collections::BTreeSet;

use couronne_cluster::changes;
use couronne_cluster::map::ReplicaId;
use proptest::prelude::*;

use crate::support::{founded, join};

#[test]
fn a_cluster_is_formed_when_all_are_there_and_its_replicas_are_on_distinct_nodes() {
    let mut map = founded(6, 0, "ec:4+2");
    assert_eq!(map.meta_group.replicas.len(), 1);
    for number in 2..=6 {
        assert!(!changes::can_form(&map));
        join(&mut map, number, 0);
    }
    assert!(changes::can_form(&map));
    changes::form(&mut map).unwrap();
    assert!(map.meta_group.replicas.contains_key(&ReplicaId(1)) && map.meta_group.initial_voters.len() == 1);
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
    let error = changes::form(&mut map).unwrap_err().to_string();
    assert!(error.contains("needs as many drives"), "{error}");
    assert_eq!(map, before);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn the_order_of_joining_decides_nothing(order in Just((2..=7u128).collect::<Vec<_>>()).prop_shuffle()) {
        let form = |order: &[u128]| {
            let mut map = founded(7, 1, "ec:4+2");
            order.iter().for_each(|number| join(&mut map, *number, number % 3));
            changes::form(&mut map).unwrap();
            map
        };
        prop_assert_eq!(form(&order), form(&[2, 3, 4, 5, 6, 7]));
    }
}
