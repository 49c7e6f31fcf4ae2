//! Maps to begin with.

use std::collections::BTreeMap;

use couronne_cluster::changes::{self, Founding, Reports};
use couronne_cluster::map::{Bootstrap, ClusterMap, CommittedMembers, MapNode, ReplicaId};
use couronne_cluster::report::{CertificateReport, DriveLogEnd};
use couronne_cluster::{DriveState, Role};
use couronne_metadata::ids::RangeId;
use couronne_placement::{Policy, PolicyId};
use couronne_ring::{DriveId, NodeId, RegionName, ZoneName};

/// A node by its number.
pub(crate) fn node(number: u128, zone: u128) -> MapNode {
    MapNode {
        role: Role::StorageNode,
        name: format!("n{number}").into(),
        address: format!("127.0.0.1:{number}").into(),
        region: RegionName("region".into()),
        zone: ZoneName(format!("zone{zone}").into()),
    }
}

/// When the clusters of these maps are founded, in milliseconds since 1970.
pub(crate) const START_MS: u64 = 1_000_000;

/// The drive of a node.
pub(crate) const fn drive_of(number: u128) -> DriveId {
    DriveId(10 * number)
}

pub(crate) fn policy(redundancy: &str) -> Policy {
    Policy {
        id: PolicyId(0),
        name: "standard".into(),
        redundancy: redundancy.parse().unwrap(),
        chunk_bytes: 4 << 20,
        inline_bytes_max: 1024,
        copies_bytes_max: 4096,
        survives: None,
    }
}

/// The map of a first node that waits for so many.
pub(crate) fn founded(nodes: u16, zone: u128, redundancy: &str) -> ClusterMap {
    changes::found(Founding {
        cluster: 9,
        id: NodeId(1),
        node: node(1, zone),
        drives: vec![(drive_of(1), 1)],
        policy: policy(redundancy),
        bootstrap: Bootstrap { nodes, ranges: 4 },
        now_ms: START_MS,
    })
    .unwrap()
}

/// Another node with one drive.
pub(crate) fn join(map: &mut ClusterMap, number: u128, zone: u128) {
    changes::join(map, NodeId(number), node(number, zone), &[(drive_of(number), 1)]).unwrap();
}

/// A formed cluster of so many nodes of one drive each, spread over so many zones.
pub(crate) fn formed(nodes: u16, zones: u128, redundancy: &str) -> ClusterMap {
    let mut map = founded(nodes, 1 % zones, redundancy);
    (2..=u128::from(nodes)).for_each(|number| join(&mut map, number, number % zones));
    assert!(changes::are_all_there(&map));
    changes::complete_meta_group(&mut map).unwrap();
    changes::form(&mut map).unwrap();
    map
}

/// What the leader of a range's group says once its voters are these.
pub(crate) fn members(index: u64, voters: BTreeMap<ReplicaId, DriveId>) -> CommittedMembers {
    CommittedMembers { index, voters, earlier_voters: BTreeMap::new(), learners: BTreeMap::new() }
}

/// Has every range be led, and be what it ought to be.
pub(crate) fn settle(map: &mut ClusterMap, index: u64) {
    for range in std::iter::once(&mut map.meta_group).chain(&mut map.ranges) {
        range.members = Some(members(index, range.replicas.clone()));
        range.initial_voters.clear();
        range.leaving.clear();
    }
}

/// A server that ran alone on so many drives, and other nodes of one drive each that joined it, each in its own zone.
pub(crate) fn grown(redundancy: &str, drives: u128, nodes: u128) -> ClusterMap {
    let mut map = changes::found(Founding {
        cluster: 9,
        id: NodeId(1),
        node: node(1, 1),
        drives: (0..drives).map(|drive| (DriveId(1000 + drive), 1)).collect(),
        policy: policy(redundancy),
        bootstrap: Bootstrap { nodes: 1, ranges: 4 },
        now_ms: START_MS,
    })
    .unwrap();
    (2..=nodes).for_each(|number| join(&mut map, number, number));
    map
}

/// What members said: of all drives and ranges alike, and each of its certificate.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) drives: Option<DriveState>,
    pub(crate) are_led: bool,
    pub(crate) certificates: BTreeMap<NodeId, CertificateReport>,
    pub(crate) grace_ms: Option<u64>,
}

impl Reports for Heard {
    fn drive(&self, _: NodeId, _: DriveId) -> Option<DriveState> {
        self.drives
    }

    fn log_end(&self, _: DriveId) -> Option<DriveLogEnd> {
        None
    }

    fn notes_are_due(&self) -> bool {
        false
    }

    fn time_ms(&self) -> Option<u64> {
        None
    }

    fn is_led(&self, _: RangeId) -> bool {
        self.are_led
    }

    fn group(&self, _: RangeId) -> Option<CommittedMembers> {
        None
    }

    fn certificate(&self, node: NodeId) -> Option<CertificateReport> {
        self.certificates.get(&node).copied()
    }

    fn grace_ms(&self) -> Option<u64> {
        self.grace_ms
    }
}
