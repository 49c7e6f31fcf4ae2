//! The encodings of what is kept or sent outside of questions and answers: the map, reports, joining. Golden
//! bytes as released, made by another program than ours.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::collections::BTreeMap;

use bytes::Bytes;
use couronne_metadata::ids::{Generation, RangeId};
use couronne_placement::{Policy, PolicyId};
use couronne_protocol::join::{Admission, JoinRequest, NotAdmitted, decode_answer, encode_answer};
use couronne_protocol::map::{
    Emptied, Formation, Intake, MAP_RANGE, MapNode, MapPolicy, MapRange, MapState, ReplicaId, StoredDrive,
};
use couronne_protocol::report::{ClockWord, DriveHealth, Report, ReportAnswer};
use couronne_protocol::transport::Role;
use couronne_ring::{DriveId, FailureDomain, NodeId, RegionName, ZoneName};
use zeroize::Zeroizing;

const MAP: &str = "434f55524d415034a52be09bd0e2b8ee0000000000000007000000000000000000000000000000090100060004000000\
    010000000000000000000000000000000101000000026e31000000076e313a3931303000000006726567696f6e000000\
    047a6f6e65000000010000000000000000000000000000000a0000000000000000000000000000000100000000000000\
    0311223344556677880000002800000000000003e8020000000000000002000000000000038400000001000000000006\
    65633a342b320000000665633a342b320040000000002000000200000300000000000000000000000000000000000000\
    00000100000000000000000000000100000000000000010000000000000000000000000000000a000000010000000000\
    0000010000000000000000000000000000000a0000000100000000000000010000000000000001000000000000000400\
    0080000000000100000000000000020000000000000000000000000000000a000000000000000000000003";

/// As the release before wrote it: without the drive's incarnation and intake, and what the policy demands.
const EARLIER_MAP: &str = "434f55524d41503335a414091fa4f0270000000000000007000000000000000000000000000000090100060004000000\
    010000000000000000000000000000000101000000026e31000000076e313a3931303000000006726567696f6e000000\
    047a6f6e65000000010000000000000000000000000000000a0000000000000000000000000000000100000000000000\
    030000002800000000000003e8000000000000000200000000000003840000000100000000000665633a342b32000000\
    0665633a342b320040000000002000000200000000000000000000000000000000000000000000000100000000000000\
    000000000100000000000000010000000000000000000000000000000a00000001000000000000000100000000000000\
    00000000000000000a000000010000000000000001000000000000000100000000000000040000800000000001000000\
    00000000020000000000000000000000000000000a000000000000000000000003";

const REPORT: &str = "010000000000000007000000020000000000000000000000000000000101000000000000000000000000000000020300\
    000001000000000000000300000005302e312e30000001a3185c500001";

/// As it was sent first: without its build and its clock.
const EARLIER_REPORT: &str = "010000000000000007000000020000000000000000000000000000000101000000000000000000000000000000020300\
    0000010000000000000003";

const REPORT_ANSWER: &str = "010100000000000000000000000000000009000000036d617002fffffffffffffffe";

const JOIN_REQUEST: &str = "010000000000000005060606060606060606060606060606060100000003637372000000026e32000000076e323a3931\
    303000000006726567696f6e000000047a6f6e65000000010000000000000000000000000000000a00000028";

const ADMISSION: &str = "0101000000000000000000000000000000020000000b636572746966696361746500000009617574686f726974790000\
    00036d6170";

const NOT_ADMITTED: &str = "0100000000026e6f";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Bytes {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect::<Vec<u8>>().into()
}

fn range(id: RangeId, end: &'static [u8], replica: u64, founders: &[(ReplicaId, DriveId)]) -> MapRange {
    MapRange {
        id,
        generation: Generation(1),
        start: Bytes::new(),
        end: Bytes::from_static(end),
        replicas: BTreeMap::from([(ReplicaId(replica), DriveId(10))]),
        founders: founders.iter().copied().collect(),
    }
}

fn map() -> MapState {
    let node = MapNode {
        role: Role::StorageNode,
        name: "n1".into(),
        address: "n1:9100".into(),
        region: RegionName("region".into()),
        zone: ZoneName("zone".into()),
    };
    let drive = StoredDrive {
        boots: 3,
        incarnation: 0x1122_3344_5566_7788,
        down_since_ms: Some(1000),
        intake: Intake::Leaving,
        emptied: Emptied { times: 2, last_ms: 900 },
        ..StoredDrive::new(NodeId(1), 40)
    };
    let policy = Policy {
        id: PolicyId(0),
        name: "ec:4+2".into(),
        redundancy: "ec:4+2".parse().unwrap(),
        chunk_bytes: 4 << 20,
        inline_bytes_max: 8 << 10,
        copies_bytes_max: 128 << 10,
        survives: Some(FailureDomain::Zone),
    };
    MapState {
        version: 7,
        cluster: 9,
        formation: Some(Formation { nodes: 6, ranges: 4 }),
        nodes: BTreeMap::from([(NodeId(1), node)]),
        drives: BTreeMap::from([(DriveId(10), drive)]),
        policies: BTreeMap::from([(PolicyId(0), MapPolicy { policy, ring: None })]),
        default_policy: PolicyId(0),
        keepers: range(MAP_RANGE, b"", 1, &[(ReplicaId(1), DriveId(10))]),
        ranges: vec![range(RangeId(1), b"\x00\x00\x80\x00", 2, &[])],
        next_replica: 3,
    }
}

#[test]
fn the_map_is_encoded_as_released() {
    assert_eq!(hex(&map().encode()), MAP);
    assert_eq!(hex(&MapState::decode(bytes(MAP)).unwrap().encode()), MAP);
}

#[test]
fn the_map_of_the_release_before_is_understood() {
    let mut expected = map();
    expected.drives.values_mut().for_each(|drive| (drive.incarnation, drive.intake) = (0, Intake::Open));
    expected.policies.values_mut().for_each(|policy| policy.policy.survives = None);
    assert_eq!(MapState::decode(bytes(EARLIER_MAP)).unwrap().encode(), expected.encode());
}

#[test]
fn a_map_cut_off_or_altered_is_refused() {
    let map = map().encode();
    for at in 0..map.len() {
        assert!(MapState::decode(map.slice(..at)).is_err());
        let mut altered = map.to_vec();
        altered[at] ^= 1;
        assert!(MapState::decode(altered.into()).is_err());
    }
}

#[test]
fn reports_are_encoded_as_released() {
    let report = Report {
        map_version: 7,
        drives: vec![(DriveId(1), DriveHealth::Serving), (DriveId(2), DriveHealth::Failed)],
        leads: vec![RangeId(3)],
        build: "0.1.0".to_owned(),
        wall_ms: 1_800_000_000_000,
        doubts_clock: true,
    };
    assert_eq!(hex(&report.encode()), REPORT);
    assert_eq!(Report::decode(bytes(REPORT)), Ok(report.clone()));
    let earlier = Report { build: String::new(), wall_ms: 0, doubts_clock: false, ..report };
    assert_eq!(Report::decode(bytes(EARLIER_REPORT)), Ok(earlier));
    let answer =
        ReportAnswer { leader: Some(DriveId(9)), map: Bytes::from_static(b"map"), clock: ClockWord::Ahead(-2) };
    assert_eq!(hex(&answer.encode()), REPORT_ANSWER);
    assert_eq!(ReportAnswer::decode(bytes(REPORT_ANSWER)), Ok(answer));
}

#[test]
fn joining_is_encoded_as_released() {
    let request = JoinRequest {
        id: 5,
        secret: Zeroizing::new([6; 16]),
        role: Role::StorageNode,
        request: Bytes::from_static(b"csr"),
        name: "n2".to_owned(),
        address: "n2:9100".to_owned(),
        region: "region".to_owned(),
        zone: "zone".to_owned(),
        drives: vec![(DriveId(10), 40)],
    };
    assert_eq!(hex(&request.encode()), JOIN_REQUEST);
    assert_eq!(hex(&JoinRequest::decode(bytes(JOIN_REQUEST)).unwrap().encode()), JOIN_REQUEST);
    let admission = Admission {
        node: NodeId(2),
        certificate: Bytes::from_static(b"certificate"),
        authority: Bytes::from_static(b"authority"),
        map: Bytes::from_static(b"map"),
    };
    assert_eq!(hex(&encode_answer(&Ok(admission.clone()))), ADMISSION);
    assert_eq!(decode_answer(bytes(ADMISSION)).unwrap(), Ok(admission));
    let refusal = Err(NotAdmitted("no".to_owned()));
    assert_eq!(hex(&encode_answer(&refusal)), NOT_ADMITTED);
    assert_eq!(decode_answer(bytes(NOT_ADMITTED)).unwrap(), refusal);
}
