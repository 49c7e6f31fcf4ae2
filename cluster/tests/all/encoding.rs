//! The map, a report and its answer as bytes: golden ones, made by another program than ours, and hostile ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::codec;
use couronne_cluster::map::{
    Authorities, Bootstrap, ClusterKeyState, ClusterMap, CommittedMembers, Emptied, LogEnd, MAP_RANGE, MapNode,
    MapPolicy, MapRange, MemberKeys, ReplicaId, StoredDrive,
};
use couronne_cluster::report::{
    CertificateReport, ClockOffset, DriveLogEnd, GroupReport, NodeReport, NodeReportAnswer,
};
use couronne_cluster::{DriveState, Role, WriteState};
use couronne_metadata::ids::{Generation, RangeId};
use couronne_placement::{Policy, PolicyId};
use couronne_ring::{DriveId, FailureDomain, NodeId, RegionName, Ring, ZoneName};
use proptest::prelude::*;

const MAP: &[u8] = include_bytes!("../golden/map.bin");
const MAP_FILE: &[u8] = include_bytes!("../golden/map-file.bin");
const REPORT: &[u8] = include_bytes!("../golden/report.bin");
const ANSWER: &[u8] = include_bytes!("../golden/answer.bin");
const RING: &[u8] = include_bytes!("../../../ring/tests/golden/ring.bin");

fn member(role: Role, name: &str, address: &str) -> MapNode {
    let (region, zone) = (RegionName("region".into()), ZoneName("zone".into()));
    MapNode { role, name: name.into(), address: address.into(), region, zone }
}

fn policy(number: u16, name: &str, redundancy: &str, survives: Option<FailureDomain>) -> Policy {
    Policy {
        id: PolicyId(number),
        name: name.into(),
        redundancy: redundancy.parse().unwrap(),
        chunk_bytes: 4 << 20,
        inline_bytes_max: 8 << 10,
        copies_bytes_max: 128 << 10,
        survives,
    }
}

fn range(id: RangeId, end: &'static [u8], replicas: &[(u64, u128)], initial_voters: &[(u64, u128)]) -> MapRange {
    let members =
        |members: &[(u64, u128)]| members.iter().map(|(id, drive)| (ReplicaId(*id), DriveId(*drive))).collect();
    MapRange {
        id,
        generation: Generation(1),
        start: Bytes::new(),
        end: Bytes::from_static(end),
        replicas: members(replicas),
        initial_voters: members(initial_voters),
        leaving: BTreeMap::new(),
        members: None,
    }
}

/// A group of which one voter is exchanged, half done, and another replica learns.
fn members() -> CommittedMembers {
    CommittedMembers {
        index: 300,
        voters: BTreeMap::from([(ReplicaId(2), DriveId(10)), (ReplicaId(3), DriveId(11))]),
        earlier_voters: BTreeMap::from([(ReplicaId(1), DriveId(11)), (ReplicaId(2), DriveId(10))]),
        learners: BTreeMap::from([(ReplicaId(3), DriveId(10))]),
    }
}

fn map() -> ClusterMap {
    let stopping = StoredDrive {
        boots: 3,
        incarnation: Some(0x1122_3344_5566_7788),
        writes: WriteState::Stopping,
        emptied: Emptied { times: 2, last_ms: Some(900), version: 6 },
        start: 0x0102,
        log_end: LogEnd { file: 5, offset: 4096 },
        ..StoredDrive::new(NodeId(1), 40)
    };
    let down = StoredDrive { down_since_ms: Some(1000), lost_version: Some(6), ..StoredDrive::new(NodeId(1), 40) };
    let ring: Arc<Ring> = codec::decode(&Bytes::from_static(RING)).unwrap();
    let standard = policy(0, "standard", "ec:4+2", Some(FailureDomain::Zone));
    let fast = policy(1, "fast", "replicated:3", None);
    ClusterMap {
        version: 7,
        cluster: 9,
        bootstrap: Some(Bootstrap { nodes: 6, ranges: 4 }),
        nodes: BTreeMap::from([
            (NodeId(1), member(Role::StorageNode, "n1", "n1:9100")),
            (NodeId(2), member(Role::Gateway, "g1", "")),
        ]),
        drives: BTreeMap::from([(DriveId(10), stopping), (DriveId(11), down)]),
        policies: BTreeMap::from([
            (PolicyId(0), MapPolicy { policy: standard, ring: None }),
            (PolicyId(1), MapPolicy { policy: fast, ring: Some(ring) }),
        ]),
        default_policy: PolicyId(0),
        meta_group: range(MAP_RANGE, b"", &[(1, 10)], &[(1, 10)]),
        ranges: vec![MapRange {
            leaving: BTreeMap::from([(ReplicaId(1), DriveId(11))]),
            members: Some(members()),
            ..range(RangeId(1), b"\x00\x00\x80\x00", &[(2, 10), (3, 11)], &[])
        }],
        next_replica: 4,
        time_ms: 5,
        expelled: BTreeMap::from([(NodeId(3), 2000)]),
        secrets_version: 5,
        cluster_key: ClusterKeyState { newest: Some([1; 8]), older: Some([2; 8]), is_exposed: true },
        authorities: Authorities {
            trusted: BTreeMap::from([(4, Bytes::from_static(b"old")), (5, Bytes::from_static(b"new"))]),
            signing: 4,
        },
        keys: keys(),
    }
}

#[test]
fn the_map_is_encoded_as_fixed() {
    assert_eq!(map().encode(), MAP);
    assert_eq!(ClusterMap::decode(Bytes::from_static(MAP)), Ok(map()));
    assert_eq!(map().to_file(), MAP_FILE);
    assert_eq!(ClusterMap::from_file(MAP_FILE), Ok(map()));
}

#[test]
fn a_file_cut_off_or_altered_is_refused() {
    for at in 0..MAP_FILE.len() {
        assert!(ClusterMap::from_file(&MAP_FILE[..at]).is_err());
        let mut altered = MAP_FILE.to_vec();
        altered[at] ^= 1;
        assert!(ClusterMap::from_file(&altered).is_err());
    }
}

#[test]
fn a_map_that_cannot_go_on_is_refused() {
    let decoded = |map: &ClusterMap| ClusterMap::decode(map.encode());
    assert!(decoded(&ClusterMap { next_replica: 3, ..map() }).is_err(), "that id was given");
    assert!(decoded(&ClusterMap { next_replica: u64::MAX, ..map() }).is_err());
    assert!(decoded(&ClusterMap { version: u64::MAX, ..map() }).is_err());
    let mut renumbered = map();
    renumbered.policies.values_mut().for_each(|policy| policy.policy.id = PolicyId(5));
    assert!(decoded(&renumbered).is_err());
    let mut unjoined = map();
    unjoined.nodes.values_mut().for_each(|node| node.role = Role::Unjoined);
    assert!(decoded(&unjoined).is_err());
}

/// Of one node the key is another one, of another it is unknown.
fn keys() -> MemberKeys {
    let mut keys = MemberKeys::default();
    keys.take(NodeId(1), NodeId(0x11));
    keys.forget(NodeId(2));
    keys
}

fn report() -> NodeReport {
    NodeReport {
        map_version: 7,
        drives: vec![
            (DriveId(1), DriveState::WRITABLE),
            (DriveId(2), DriveState::DOWN),
            (DriveId(3), DriveState::up(WriteState::Stopping)),
        ],
        leads: vec![RangeId(3)],
        build: "0.1.0".to_owned(),
        wall_ms: Some(1_800_000_000_000),
        doubts_clock: true,
        log_ends: vec![DriveLogEnd { drive: DriveId(1), start: 0x0102, end: LogEnd { file: 5, offset: 4096 } }],
        groups: vec![GroupReport { range: RangeId(3), members: members() }],
        is_starting: true,
        certificate: Some(CertificateReport { trusted: 5, signed_by: 4 }),
    }
}

#[test]
fn reports_and_answers_are_encoded_as_fixed() {
    assert_eq!(report().encode(), REPORT);
    assert_eq!(NodeReport::decode(Bytes::from_static(REPORT)), Ok(report()));
    let answer = NodeReportAnswer {
        leader: Some(DriveId(9)),
        map: Bytes::from_static(b"map"),
        clock: ClockOffset::Ahead(-2),
        log_ends: report().log_ends,
    };
    assert_eq!(answer.encode(), ANSWER);
    assert_eq!(NodeReportAnswer::decode(Bytes::from_static(ANSWER)), Ok(answer.clone()));
    for clock in [ClockOffset::Unsaid, ClockOffset::Unknown, ClockOffset::Ahead(i64::MAX)] {
        let answer = NodeReportAnswer { clock, leader: None, ..answer.clone() };
        assert_eq!(NodeReportAnswer::decode(answer.encode()), Ok(answer));
    }
}

#[test]
fn a_drive_in_a_later_release_s_state_serves_and_takes_nothing_new() {
    let states = (1..=9u8).map(|number| codec::decode::<DriveState>(&Bytes::from(vec![1, number])).unwrap());
    let full = DriveState::up(WriteState::Full);
    let stopping = DriveState::up(WriteState::Stopping);
    let mut expected = vec![DriveState::WRITABLE, full, stopping, DriveState::DOWN, DriveState::SLOW];
    expected.resize(9, full);
    assert_eq!(states.collect::<Vec<_>>(), expected);
}

#[test]
fn a_build_that_cannot_be_shown_is_refused() {
    for build in ["\x1b[2J".to_owned(), "two words".to_owned(), "x".repeat(65)] {
        assert!(NodeReport::decode(NodeReport { build, ..report() }.encode()).is_err());
    }
}

fn try_all(bytes: Bytes) -> Result<(), TestCaseError> {
    if let Ok(map) = ClusterMap::decode(bytes.clone()) {
        prop_assert_eq!(ClusterMap::decode(map.encode()), Ok(map));
    }
    if let Ok(report) = NodeReport::decode(bytes.clone()) {
        prop_assert_eq!(NodeReport::decode(report.encode()), Ok(report));
    }
    if let Ok(answer) = NodeReportAnswer::decode(bytes.clone()) {
        prop_assert_eq!(NodeReportAnswer::decode(answer.encode()), Ok(answer));
    }
    let _ = ClusterMap::from_file(&bytes);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        try_all([&[1], &bytes[..]].concat().into())?;
        try_all(bytes.into())?;
    }

    #[test]
    fn altered_bytes_are_a_value_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for golden in [MAP, MAP_FILE, REPORT, ANSWER] {
            let mut bytes = golden.to_vec();
            changes.iter().for_each(|(at, value)| *at.get_mut(&mut bytes) = *value);
            try_all(Bytes::copy_from_slice(&bytes[..cut.index(bytes.len() + 1)]))?;
            try_all(bytes.into())?;
        }
    }
}
