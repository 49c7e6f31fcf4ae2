//! One certificate authority in another's place: each step only once every member is ready for it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use couronne_cluster::Role;
use couronne_cluster::changes::{self, AuthorityStep};
use couronne_cluster::map::{ClusterKeyState, ClusterMap, MapNode};
use couronne_cluster::report::CertificateReport;
use couronne_ring::NodeId;
use proptest::prelude::*;

use crate::support::{Heard, formed, node};

/// Six nodes and a gateway, whose authority is being changed.
fn rotating() -> ClusterMap {
    let mut map = formed(6, 3, "ec:4+2");
    changes::join(&mut map, NodeId(7), MapNode { role: Role::Gateway, address: "".into(), ..node(7, 0) }, &[]).unwrap();
    assert!(!changes::begin_rotation(&mut map, 1, &certificate(1)), "there is none yet");
    assert!(changes::keep_authority(&mut map, &certificate(1)) && !changes::keep_authority(&mut map, &certificate(9)));
    assert!(!changes::begin_rotation(&mut map, 3, &certificate(3)), "not the next number");
    assert!(changes::begin_rotation(&mut map, 2, &certificate(2)));
    assert!(!changes::begin_rotation(&mut map, 3, &certificate(3)), "one at a time");
    map
}

fn certificate(number: u64) -> Bytes {
    format!("authority {number}").into()
}

fn trusted(map: &ClusterMap) -> (u64, Vec<u64>) {
    (map.authorities.signing, map.authorities.trusted.keys().copied().collect())
}

fn follow(map: &mut ClusterMap, said: &Heard) -> Option<AuthorityStep> {
    changes::follow_reports(map, said, 5).unwrap().authority
}

#[test]
fn a_step_waits_for_every_member_but_those_that_were_expelled() {
    let mut map = rotating();
    let mut said = Heard::default();
    let says = |said: &mut Heard, node: u128, trusted, signed_by| {
        said.certificates.insert(NodeId(node), CertificateReport { trusted, signed_by });
    };
    (1..=7).for_each(|node| says(&mut said, node, 1, 1));
    (1..=6).for_each(|node| says(&mut said, node, 2, 1));
    assert_eq!((follow(&mut map, &said), trusted(&map)), (None, (1, vec![1, 2])), "the gateway believes the old one");
    says(&mut said, 7, 2, 1);
    assert_eq!((follow(&mut map, &said), trusted(&map)), (Some(AuthorityStep::Signs(2)), (2, vec![1, 2])));
    (2..=7).for_each(|node| says(&mut said, node, 2, 2));
    assert_eq!((follow(&mut map, &said), trusted(&map)), (None, (2, vec![1, 2])), "the first has the old one's");
    let awaited = changes::awaited_members(&map, |node| said.certificates.get(&node).copied());
    assert_eq!(awaited, [NodeId(1)]);
    // Another leader has heard of nobody yet.
    assert_eq!(follow(&mut map, &Heard::default()), None);
    changes::expel(&mut map, NodeId(1), true, 5).unwrap();
    assert_eq!((follow(&mut map, &said), trusted(&map)), (Some(AuthorityStep::Alone(2)), (2, vec![2])));
    assert_eq!(follow(&mut map, &said), None);
    assert!(changes::awaited_members(&map, |_| None).is_empty());
    assert!(changes::begin_rotation(&mut map, 3, &certificate(3)), "and again");
}

#[test]
fn after_a_reset_another_authority_counts_alone_and_storage_nodes_show_their_keys_anew() {
    let mut map = rotating();
    let lost = ClusterKeyState { newest: Some([1; 8]), older: None, is_exposed: false };
    map.cluster_key = lost;
    assert_eq!(changes::reset_number(&map, &certificate(9)), 3, "above all that are named");
    for _ in 0..2 {
        let number = changes::reset_number(&map, &certificate(9));
        changes::reset_trust(&mut map, number, &certificate(9), [2; 8]);
        assert_eq!(trusted(&map), (3, vec![3]), "a repeat names the same");
        assert_eq!(map.authorities.signing_certificate(), Some(&certificate(9)));
        assert_eq!(map.cluster_key, ClusterKeyState { newest: Some([2; 8]), ..lost });
    }
    assert!(!map.nodes.contains_key(&NodeId(7)), "the gateway is a member no more");
    assert!(map.nodes.keys().all(|node| !map.keys.knows(*node) && map.keys.takes(*node, NodeId(99))));
    assert!(map.keys.take(NodeId(1), NodeId(99)) && !map.keys.take(NodeId(1), NodeId(99)));
    assert!(map.keys.takes(NodeId(1), NodeId(99)) && !map.keys.takes(NodeId(1), NodeId(1)), "known, and for life");
    assert!(map.keys.take(NodeId(2), NodeId(2)) && map.keys.takes(NodeId(2), NodeId(2)) && map.keys.knows(NodeId(2)));
    assert!(changes::begin_rotation(&mut map, 4, &certificate(4)), "and it is changed as ever");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever members say and when: nobody is left with a certificate that another member does not believe.
    #[test]
    fn each_believes_what_the_others_have(
        turns in prop::collection::vec((1..=7u128, prop::bool::weighted(0.5), prop::bool::weighted(0.2)), 1..80)
    ) {
        let mut map = rotating();
        // What each believes, and has; a member learns the map as it is, or renews by that.
        let mut members: BTreeMap<u128, (BTreeSet<u64>, u64)> =
            (1..=7).map(|number| (number, (BTreeSet::from([1]), 1))).collect();
        let mut said = Heard::default();
        for (number, renews, forgets) in turns {
            let (believes, has) = members.get_mut(&number).unwrap();
            *believes = map.authorities.trusted.keys().copied().collect();
            if renews {
                *has = map.authorities.signing;
            }
            let trusted = believes.iter().max().copied().unwrap();
            said.certificates.insert(NodeId(number), CertificateReport { trusted, signed_by: *has });
            if forgets {
                said = Heard::default();
            }
            follow(&mut map, &said);
            for (_, has) in members.values() {
                prop_assert!(members.values().all(|(believes, _)| believes.contains(has)));
                prop_assert!(map.authorities.trusted.contains_key(has));
            }
        }
    }
}
