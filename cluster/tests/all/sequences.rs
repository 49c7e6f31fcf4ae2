//! Random sequences of changes: what holds whatever happens to a map.

use std::collections::{BTreeMap, BTreeSet};

use couronne_cluster::changes::{self, Reports, StartedDrive};
use couronne_cluster::map::{ClusterMap, CommittedMembers, DriveStart, LogEnd, MapNode, ReplicaId};
use couronne_cluster::report::{CertificateReport, DriveLogEnd};
use couronne_cluster::{DriveState, MapError, Role, WriteState};
use couronne_metadata::ids::RangeId;
use couronne_ring::{DriveId, NodeId};
use proptest::prelude::*;

use crate::support::{drive_of, founded, members, node, policy};

/// Drives and nodes that a change may be about, some of which there are.
const NUMBERS: std::ops::RangeInclusive<u128> = 1..=8;

/// One change.
#[derive(Clone, Debug)]
enum Change {
    Join { number: u128, drive: u128, is_gateway: bool },
    Follow { drives: BTreeMap<u128, DriveState>, led: BTreeSet<u64> },
    Register { number: u128, fewer_boots: bool, is_formatted: bool, forgets: bool, writes: WriteState },
    Renew { replicas: Vec<u64> },
    CreatePolicy { name: u8, redundancy: &'static str },
    SetDefault { name: u8 },
    Expel { number: u128, is_forced: bool },
}

/// What was heard: of the drives that are named, and of the ranges.
struct Said<'a>(&'a BTreeMap<u128, DriveState>, &'a BTreeSet<u64>, &'a ClusterMap, u64);

impl Reports for Said<'_> {
    fn drive(&self, _: NodeId, drive: DriveId) -> Option<DriveState> {
        self.0.iter().find(|(number, _)| drive_of(**number) == drive).map(|(_, state)| *state)
    }

    fn log_end(&self, drive: DriveId) -> Option<DriveLogEnd> {
        let is_named = self.0.keys().any(|number| drive_of(*number) == drive);
        is_named.then_some(DriveLogEnd { drive, start: 0, end: LogEnd { file: 1, offset: 4096 } })
    }

    fn notes_are_due(&self) -> bool {
        true
    }

    fn time_ms(&self) -> Option<u64> {
        None
    }

    fn is_led(&self, range: RangeId) -> bool {
        self.1.contains(&range.0)
    }

    /// Groups that are led are what they ought to be by then.
    fn group(&self, range: RangeId) -> Option<CommittedMembers> {
        let known = self.2.range(range).filter(|_| self.1.contains(&range.0))?;
        Some(members(self.3, known.replicas.clone()))
    }

    fn certificate(&self, _: NodeId) -> Option<CertificateReport> {
        None
    }

    fn grace_ms(&self) -> Option<u64> {
        Some(4)
    }
}

fn writes() -> impl Strategy<Value = WriteState> {
    prop_oneof![Just(WriteState::Writable), Just(WriteState::Full), Just(WriteState::Stopping)]
}

fn changes() -> impl Strategy<Value = Change> {
    let state = prop_oneof![
        8 => writes().prop_map(DriveState::up),
        6 => Just(DriveState::DOWN),
        3 => Just(DriveState::SLOW),
        1 => Just(DriveState::LOST),
    ];
    let drives = prop::collection::btree_map(NUMBERS, state, 0..4);
    let led = prop::collection::btree_set(0..5u64, 0..5);
    let redundancy = prop_oneof![Just("single"), Just("replicated:2"), Just("ec:2+1"), Just("ec:9+3")];
    prop_oneof![
        4 => (NUMBERS, NUMBERS, any::<bool>())
            .prop_map(|(number, drive, is_gateway)| Change::Join { number, drive, is_gateway }),
        3 => NUMBERS.prop_map(|number| Change::Join { number, drive: number, is_gateway: false }),
        4 => (drives, led).prop_map(|(drives, led)| Change::Follow { drives, led }),
        4 => (NUMBERS, any::<(bool, bool, bool)>(), writes()).prop_map(|(number, about, writes)| {
            let (fewer_boots, is_formatted, forgets) = about;
            Change::Register { number, fewer_boots, is_formatted, forgets, writes }
        }),
        1 => prop::collection::vec(0..40u64, 0..3).prop_map(|replicas| Change::Renew { replicas }),
        2 => (0..4u8, redundancy).prop_map(|(name, redundancy)| Change::CreatePolicy { name, redundancy }),
        1 => (0..4u8).prop_map(|name| Change::SetDefault { name }),
        1 => (NUMBERS, any::<bool>()).prop_map(|(number, is_forced)| Change::Expel { number, is_forced }),
    ]
}

/// Makes a change of the map.
fn make(map: &mut ClusterMap, change: &Change, now_ms: u64) -> Result<(), MapError> {
    match change {
        Change::Join { number, drive, is_gateway } => {
            let role = if *is_gateway { Role::Gateway } else { Role::StorageNode };
            let member = MapNode { role, ..node(*number, number % 3) };
            changes::join(map, NodeId(*number), member, &[(drive_of(*drive), 1)])
        }
        Change::Follow { drives, led } => {
            let known = map.clone();
            changes::follow_reports(map, &Said(drives, led, &known, now_ms), now_ms).map(drop)
        }
        Change::Register { number, fewer_boots, is_formatted, forgets, writes } => {
            let known = map.drives.get(&drive_of(*number));
            let boots = known.map_or(0, |drive| drive.boots);
            let boots = if *fewer_boots { boots.saturating_sub(1) } else { boots + 1 };
            let incarnation = known.and_then(|drive| drive.incarnation).unwrap_or(7) + u64::from(*is_formatted);
            let log_end = known.map_or(LogEnd::START, |drive| drive.log_end);
            let start = DriveStart { boots, incarnation, start: now_ms, log_end };
            let started = StartedDrive { drive: drive_of(*number), start, writes: *writes, has_lost_segments: false };
            let forgetful: &[DriveId] = if *forgets { &[drive_of(*number)] } else { &[] };
            changes::register(map, &[started], forgetful).map(drop)
        }
        Change::Renew { replicas } => {
            changes::renew_replicas(map, replicas.iter().copied().map(ReplicaId));
            Ok(())
        }
        Change::CreatePolicy { name, redundancy } => {
            let policy = couronne_placement::Policy { name: format!("p{name}").into(), ..policy(redundancy) };
            changes::create_policy(map, policy).map(drop)
        }
        Change::Expel { number, is_forced } => changes::expel(map, NodeId(*number), *is_forced, now_ms).map(drop),
        Change::SetDefault { name } => changes::set_default_policy(map, &format!("p{name}")).map(drop),
    }
}

/// What holds of every map.
fn check(map: &ClusterMap) -> Result<(), TestCaseError> {
    let mut replicas = BTreeSet::new();
    for range in map.all_ranges() {
        let drives: BTreeSet<DriveId> = range.places().map(|(_, drive)| drive).collect();
        prop_assert_eq!(drives.len(), range.places().count(), "two replicas of a range share a drive");
        prop_assert!(drives.iter().all(|drive| map.drives.contains_key(drive)), "a replica's drive exists");
        prop_assert!(range.places().all(|(replica, _)| replicas.insert(replica)), "two replicas share an id");
    }
    prop_assert!(replicas.iter().all(|replica| replica.0 < map.next_replica));
    for drive in map.drives.values() {
        let role = map.nodes.get(&drive.node).map(|node| node.role);
        prop_assert_eq!(role, Some(Role::StorageNode), "a drive's node exists");
        prop_assert!(drive.state().is_up() || drive.writes == WriteState::Writable, "{drive:?}");
    }
    let names: BTreeSet<&str> = map.nodes.values().map(|node| &*node.name).collect();
    prop_assert_eq!(names.len(), map.nodes.len(), "two members share a name");
    prop_assert!(map.policies.contains_key(&map.default_policy));
    for policy in map.policies.values() {
        prop_assert_eq!(policy.ring.is_some(), map.bootstrap.is_none(), "rings come with the ranges");
    }
    prop_assert_eq!(map.ranges.is_empty(), map.bootstrap.is_some());
    prop_assert_eq!(ClusterMap::decode(map.encode()), Ok(map.clone()));
    Ok(())
}

/// What holds from one map to the next.
fn check_step(before: &ClusterMap, after: &ClusterMap, change: &Change) -> Result<(), TestCaseError> {
    prop_assert_eq!((after.version, after.cluster), (before.version, before.cluster));
    prop_assert!(after.next_replica >= before.next_replica);
    let ids = |map: &ClusterMap| map.places().into_iter().map(|(replica, _)| replica).collect::<BTreeSet<_>>();
    for new in ids(after).difference(&ids(before)) {
        prop_assert!(new.0 >= before.next_replica, "{new} was given before: {change:?}");
    }
    for (id, drive) in &before.drives {
        let then = after.drives.get(id);
        prop_assert!(then.is_some(), "no drive leaves the map");
        let (from, to) = (drive.state(), then.unwrap().state());
        prop_assert!(from.may_become(to), "{from} became {to}: {change:?}");
        prop_assert_eq!(drive.node, then.unwrap().node);
        prop_assert!(drive.emptied <= then.unwrap().emptied);
    }
    for (one, other) in before.all_ranges().zip(after.all_ranges()) {
        let founded_again = one.initial_voters.is_empty() && !other.initial_voters.is_empty();
        prop_assert!(one.id == other.id && !founded_again);
        let is_allowed =
            other.replicas.len() + 1 >= one.replicas.len() && other.replicas.len() > after.metadata_losses();
        let is_whole = before.bootstrap.is_none() && one.replicas.len() > before.metadata_losses();
        prop_assert!(is_allowed || !is_whole, "a range loses one replica at a time, and never too many: {change:?}");
    }
    prop_assert!(before.expelled.keys().all(|id| after.is_expelled(*id)), "an identity that was expelled stays so");
    for (id, drive) in &after.drives {
        prop_assert!(!after.is_expelled(drive.node) || !drive.state().is_up(), "{id:?} is up: {change:?}");
    }
    for (id, policy) in &before.policies {
        prop_assert_eq!(&policy.policy, &after.policies[id].policy, "a policy keeps what it promised");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn a_map_stays_whole(nodes in 1..5u16, changes in prop::collection::vec(changes(), 1..40)) {
        let mut map = founded(nodes, 1, if nodes < 3 { "single" } else { "ec:2+1" });
        check(&map)?;
        for (now_ms, change) in (1000..).zip(&changes) {
            let before = map.clone();
            match make(&mut map, change, now_ms) {
                Ok(()) => check_step(&before, &map, change)?,
                Err(error) => prop_assert_eq!(&map, &before, "refused ({}), but changed: {:?}", error, change),
            }
            check(&map)?;
            if let Change::Follow { drives, led } = change {
                // Ranges that were just made may be led for the first time.
                let formed = before.bootstrap.is_some() && map.bootstrap.is_none();
                if !formed && !drives.values().any(|state| *state == DriveState::LOST) {
                    let again = changes::follow_reports(&mut map.clone(), &Said(drives, led, &before, now_ms), now_ms);
                    prop_assert_eq!(again, Ok(changes::Followed::default()), "twice the same");
                }
            }
        }
    }

    #[test]
    fn a_drive_that_serves_is_never_lost_at_once(number in 1..=2u128, writes in writes()) {
        let mut map = founded(1, 1, "single");
        let report = |state| BTreeMap::from([(number, state)]);
        let nobody = BTreeSet::new();
        let known = map.clone();
        changes::follow_reports(&mut map, &Said(&report(DriveState::up(writes)), &nobody, &known, 1), 10).unwrap();
        let before = map.clone();
        let lost = changes::follow_reports(&mut map, &Said(&report(DriveState::LOST), &nobody, &before, 1), 20);
        let is_there = map.drives.contains_key(&drive_of(number));
        prop_assert_eq!(matches!(lost, Err(MapError::Transition { .. })), is_there);
        prop_assert_eq!(map, before);
    }
}
