//! New policies, and the default.

use couronne_cluster::map::{Bootstrap, ClusterMap, ReplicaId};
use couronne_cluster::{MapError, changes};
use couronne_metadata::ids::RangeId;
use couronne_placement::{Policy, PolicyId};
use couronne_ring::FailureDomain;

use crate::support::{drive_of, formed, grown, policy};

fn named(name: &str, redundancy: &str, survives: Option<FailureDomain>) -> Policy {
    Policy { name: name.into(), survives, ..policy(redundancy) }
}

fn why(map: &mut ClusterMap, policy: Policy) -> String {
    let before = map.clone();
    let error = changes::create_policy(map, policy).unwrap_err().to_string();
    assert_eq!(*map, before, "what is refused changes nothing");
    error
}

#[test]
fn a_policy_gets_a_number_and_a_ring_of_its_own() {
    let mut map = formed(6, 3, "ec:4+2");
    assert!(changes::create_policy(&mut map, named("fast", "replicated:3", None)).unwrap());
    assert!(!changes::create_policy(&mut map, named("fast", "replicated:3", None)).unwrap(), "again");
    let made = &map.policies[&PolicyId(1)];
    assert_eq!((&*made.policy.name, made.ring.as_ref().unwrap().width()), ("fast", 3));
    let error = why(&mut map, named("fast", "replicated:2", None));
    assert!(error.contains("policy fast: exists already, with replicated:3"), "{error}");
}

#[test]
fn what_can_never_be_held_is_refused() {
    let mut map = formed(6, 3, "ec:4+2");
    let error = why(&mut map, named("wide", "ec:6+2", None));
    assert!(error.contains("policy wide: ec:6+2: ") && error.contains("needs as many drives"), "{error}");
    let error = why(&mut map, named("safe", "replicated:4", None));
    assert!(error.contains("needs 7 replicas; the ranges have 5"), "{error}");
    assert!(why(&mut map, named("a b", "single", None)).contains("a name is 1 to 63"));
    map.bootstrap = Some(Bootstrap { nodes: 9, ranges: 1 });
    assert!(why(&mut map, named("early", "single", None)).contains("not begun"));
}

#[test]
fn the_loss_of_a_zone_is_survived_where_there_are_enough() {
    let zone = Some(FailureDomain::Zone);
    let over = |zones| formed(6, zones, "ec:4+2");
    assert!(changes::create_policy(&mut over(3), named("zoned", "ec:4+2", zone)).unwrap());
    let error = why(&mut over(2), named("zoned", "ec:4+2", zone));
    assert!(error.contains("up to 3 shards") && error.contains("can spare 2; there are 2 zones"), "{error}");
    assert!(changes::create_policy(&mut over(3), named("copies", "replicated:2", zone)).unwrap());
    assert!(why(&mut over(1), named("copies", "replicated:2", zone)).contains("1 zones"));
}

#[test]
fn a_zone_that_holds_a_majority_of_a_range_is_not_survived() {
    let zone = Some(FailureDomain::Zone);
    // Two copies in two zones are enough for data; of five replicas in two zones one zone has three.
    let error = why(&mut formed(6, 2, "ec:4+2"), named("copies", "replicated:2", zone));
    assert!(error.contains("the loss of a zone takes up to 3 of the 5 replicas of range 0"), "{error}");
    // A server that ran alone, and a node that joined it: all replicas are where they were.
    let mut map = grown("ec:4+2", 6, 2);
    let error = why(&mut map, named("copies", "replicated:2", zone));
    assert!(error.contains("the loss of a zone takes up to 5 of the 5 replicas of range 0 (zone zone1)"), "{error}");
    let error = why(&mut map, named("copies", "replicated:2", Some(FailureDomain::Node)));
    assert!(error.contains("the loss of a node takes up to 5"), "{error}");
    assert!(changes::create_policy(&mut map, named("copies", "replicated:2", None)).unwrap(), "it promises no zone");
}

#[test]
fn metadata_survives_what_leaves_each_range_a_majority() {
    let survived = |map: &ClusterMap| {
        [FailureDomain::Drive, FailureDomain::Node, FailureDomain::Zone]
            .map(|level| map.metadata_losses_survived(level))
    };
    assert_eq!(survived(&formed(6, 3, "ec:4+2")), [2, 2, 1]);
    assert_eq!(survived(&formed(6, 2, "ec:4+2")), [2, 2, 0]);
    assert_eq!(survived(&formed(6, 6, "ec:4+2")), [2, 2, 2]);
    assert_eq!(survived(&grown("ec:4+2", 6, 4)), [2, 0, 0]);
    assert_eq!(survived(&grown("single", 1, 4)), [0, 0, 0]);
    // One range that lies ill is enough.
    let mut map = formed(6, 3, "ec:4+2");
    let all: Vec<ReplicaId> = map.ranges[0].replicas.keys().copied().collect();
    map.ranges[0].replicas.retain(|id, _| all[..3].contains(id));
    map.ranges[0].replicas.values_mut().take(2).for_each(|drive| *drive = drive_of(1));
    assert_eq!(survived(&map), [0, 0, 0]);
    let ranges: Vec<RangeId> = map.crowded_domains(FailureDomain::Zone).iter().map(|crowded| crowded.range).collect();
    assert_eq!(ranges, [map.ranges[0].id]);
}

#[test]
fn the_default_is_one_there_is() {
    let mut map = formed(6, 3, "ec:4+2");
    assert_eq!(changes::set_default_policy(&mut map, "standard"), Ok(false));
    changes::create_policy(&mut map, named("fast", "replicated:3", None)).unwrap();
    assert_eq!(changes::set_default_policy(&mut map, "fast"), Ok(true));
    assert_eq!(map.redundancy().map(|redundancy| redundancy.to_string()), Some("replicated:3".to_owned()));
    let error = changes::set_default_policy(&mut map, "slow").unwrap_err();
    assert_eq!(error.to_string(), "policy slow: there is none of this name");
    let first = changes::check_first_policy(&map, "ec:4+2".parse().unwrap());
    assert_eq!(first, Ok(()), "by the first, whichever is the default");
    let asked = "single".parse().unwrap();
    assert!(matches!(changes::check_first_policy(&map, asked), Err(MapError::OtherRedundancy { .. })));
}
