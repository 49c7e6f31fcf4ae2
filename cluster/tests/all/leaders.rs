//! Which replica is to lead each range.

use std::collections::BTreeMap;

use couronne_cluster::map::ClusterMap;
use couronne_cluster::{DriveState, WriteState, changes};
use couronne_ring::NodeId;
use proptest::prelude::*;

use crate::support::{drive_of, formed};

/// How many ranges each node is to lead, when the drives of some nodes are in other states.
fn counts(map: &ClusterMap, states: &BTreeMap<u128, DriveState>) -> Result<BTreeMap<NodeId, usize>, TestCaseError> {
    let mut view = map.view();
    for (number, state) in states {
        view.drives.get_mut(&drive_of(*number)).unwrap().state = *state;
    }
    let wanted = changes::wanted_leaders(map, &view);
    prop_assert_eq!(&wanted, &changes::wanted_leaders(map, &view));
    let mut counts = BTreeMap::new();
    for range in map.all_ranges() {
        let candidates = range.replicas.values().filter(|drive| view.drive_state(**drive).is_writable()).count();
        let leader = wanted.get(&range.id);
        prop_assert_eq!(leader.is_some(), candidates > 0);
        let Some(leader) = leader else { continue };
        let drive = range.replicas.get(leader);
        prop_assert!(drive.is_some(), "a leader is a replica");
        prop_assert!(view.drive_state(*drive.unwrap()).is_writable());
        *counts.entry(view.drives[drive.unwrap()].node).or_default() += 1;
    }
    Ok(counts)
}

fn states() -> impl Strategy<Value = BTreeMap<u128, DriveState>> {
    let state = prop_oneof![
        Just(DriveState::WRITABLE),
        Just(DriveState::DOWN),
        Just(DriveState::up(WriteState::Full)),
        Just(DriveState::up(WriteState::Stopping)),
    ];
    prop::collection::btree_map(1..=5u128, state, 0..=5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn leaders_are_replicas_on_drives_that_take_data(nodes in 5..9u16, states in states()) {
        counts(&formed(nodes, 3, "ec:3+2"), &states)?;
    }

    #[test]
    fn where_every_node_has_every_range_all_lead_as_many_within_one(states in states()) {
        let map = formed(5, 1, "ec:3+2");
        let leads = counts(&map, &states)?;
        let up = 5 - states.values().filter(|state| !state.is_writable()).count();
        prop_assert_eq!(leads.len(), up.min(map.all_ranges().count()));
        let (most, least) = (leads.values().max(), leads.values().min());
        prop_assert!(most.zip(least).is_none_or(|(most, least)| most - least <= 1), "{leads:?}");
    }
}
