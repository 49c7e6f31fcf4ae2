//! Drives that come back, and drives that are given up.

use std::collections::BTreeSet;

use couronne_cluster::changes::{self, StartedDrive};
use couronne_cluster::map::{ClusterMap, DriveStart, Emptied, LogEnd, ReplicaId};
use couronne_cluster::{DriveState, MapError, WriteState};
use couronne_ring::DriveId;

use crate::support::{drive_of, formed, settle};

fn started(number: u128, boots: u64, incarnation: u64) -> StartedDrive {
    let log_end = LogEnd { file: boots, offset: 4096 };
    let start = DriveStart { boots, incarnation, start: number_of_start(boots, incarnation), log_end };
    StartedDrive { drive: drive_of(number), start, writes: WriteState::Writable, has_lost_segments: false }
}

/// Another for each start.
fn number_of_start(boots: u64, incarnation: u64) -> u64 {
    boots * 100 + incarnation
}

/// A cluster that every drive has been started in, and whose ranges are led.
fn running() -> ClusterMap {
    let mut map = formed(6, 3, "ec:4+2");
    settle(&mut map, 1);
    let all: Vec<_> = (1..=6).map(|number| started(number, 3, 7)).collect();
    assert_eq!(changes::register(&mut map, &all, &[]), Ok(Vec::new()));
    map
}

fn replicas_on(map: &ClusterMap, number: u128) -> Vec<ReplicaId> {
    map.places().into_iter().filter(|(_, drive)| *drive == drive_of(number)).map(|(replica, _)| replica).collect()
}

#[test]
fn a_drive_that_forgot_gets_new_replicas_and_is_noted_as_emptied() {
    let again = DriveStart { start: 9, ..started(2, 3, 7).start };
    let shorter = DriveStart { log_end: LogEnd { file: 3, offset: 0 }, ..started(2, 4, 7).start };
    let with = |start| StartedDrive { start, ..started(2, 4, 7) };
    let cases = [
        (false, started(2, 4, 8)),
        (false, started(2, 2, 7)),
        (false, with(again)),
        (false, with(shorter)),
        (true, started(2, 4, 7)),
    ];
    for (forgetful, back) in cases {
        let mut map = running();
        let (old, next) = (replicas_on(&map, 2), map.next_replica);
        let forgetful = if forgetful { vec![drive_of(2)] } else { Vec::new() };
        let gone = changes::register(&mut map, &[back], &forgetful).unwrap();
        assert_eq!(gone.iter().map(|(_, replica)| *replica).collect::<Vec<_>>(), old);
        let new = replicas_on(&map, 2);
        assert_eq!(new.len(), old.len());
        assert!(new.iter().all(|replica| replica.0 >= next));
        let version = map.version + 1;
        assert_eq!(map.drives[&drive_of(2)].emptied, Emptied { times: 1, last_ms: None, version });
        assert_eq!(map.drives[&drive_of(2)].boots, back.start.boots);
        assert_eq!(map.drives[&drive_of(2)].log_end, back.start.log_end);
    }
}

#[test]
fn a_drive_that_comes_back_as_it_was_serves_again() {
    let mut map = running();
    let drive = map.drives.get_mut(&drive_of(2)).unwrap();
    drive.down_since_ms = Some(150);
    let before = map.places();
    let back = StartedDrive { writes: WriteState::Full, ..started(2, 4, 7) };
    assert_eq!(changes::register(&mut map, &[back], &[]), Ok(Vec::new()));
    assert_eq!(map.drives[&drive_of(2)].state(), DriveState::up(WriteState::Full));
    assert_eq!(map.places(), before);
    // A registration whose answer was lost is repeated, when more of the log was noted already.
    map.drives.get_mut(&drive_of(2)).unwrap().log_end = LogEnd { file: 8, offset: 0 };
    assert_eq!(changes::register(&mut map, &[back], &[]), Ok(Vec::new()));
    assert_eq!(map.drives[&drive_of(2)].log_end, LogEnd { file: 8, offset: 0 });
}

/// Its log and its rows are sound: what it held is looked for, and its replicas go on.
#[test]
fn a_drive_that_lost_segments_is_noted_as_emptied_once_and_keeps_its_replicas() {
    let mut map = running();
    let places = map.places();
    let back = StartedDrive { has_lost_segments: true, ..started(2, 4, 7) };
    let (version, before) = (map.version + 1, map.drives[&drive_of(2)].emptied);
    assert_eq!(changes::register(&mut map, &[back], &[]).unwrap(), []);
    assert_eq!(map.places(), places);
    let noted = Emptied { times: before.times + 1, last_ms: None, version };
    assert_eq!(map.drives[&drive_of(2)].emptied, noted);
    assert_eq!(map.loss_version(), version);
    changes::register(&mut map, &[back], &[]).unwrap();
    assert_eq!(map.drives[&drive_of(2)].emptied, noted, "its registration is repeated");
}

#[test]
fn more_that_forgot_than_are_survived_are_refused() {
    let mut map = running();
    let before = map.clone();
    let all: Vec<_> = (1..=6).map(|number| started(number, 1, 7)).collect();
    let refused = changes::register(&mut map, &all, &[]).unwrap_err();
    assert!(matches!(&refused, MapError::TooManyForgot { drives, replaced: 0, .. } if drives.len() == 5), "{refused}");
    assert_eq!(map, before);
}

#[test]
fn no_drive_is_given_up_while_another_is_down_or_where_it_holds_the_only_copies() {
    let map = running();
    let mut view = map.view();
    assert_eq!(changes::check_spare(&map, &view, drive_of(2)), Ok(()));
    view.drives.get_mut(&drive_of(2)).unwrap().state = DriveState::DOWN;
    assert_eq!(changes::check_spare(&map, &view, drive_of(2)), Ok(()), "it is the one that is down");
    assert_eq!(changes::check_spare(&map, &view, drive_of(3)), Err(MapError::AnotherIsDown(drive_of(2))));
    let map = formed(2, 1, "single");
    assert_eq!(changes::check_spare(&map, &map.view(), drive_of(1)), Err(MapError::OnlyCopy));
}

/// Of five voters three are away. Any of them may come back with a vote that is needed.
#[test]
fn no_drive_is_begun_anew_while_a_group_needs_what_may_come_back_with_it() {
    let map = running();
    let mut view = map.view();
    let voters: Vec<DriveId> = map.ranges[0].replicas.values().copied().collect();
    for (away, drive) in voters.iter().take(3).enumerate() {
        let refused = changes::check_quorum(&map, &view, voters[4]);
        assert_eq!(refused.is_err(), away >= 2, "{refused:?}");
        view.drives.get_mut(drive).unwrap().state = DriveState::DOWN;
    }
    for drive in &voters {
        assert!(matches!(changes::check_quorum(&map, &view, *drive), Err(MapError::QuorumNeedsIt(_))));
    }
}

/// The drives of a range's replicas, by their numbers.
fn numbers(map: &ClusterMap) -> Vec<u128> {
    map.ranges[0].replicas.values().map(|drive| drive.0 / 10).collect()
}

#[test]
fn voters_that_were_given_up_count_as_forgotten_until_others_have_their_votes() {
    let mut map = running();
    let [first, second, third, fourth, ..] = numbers(&map)[..] else { panic!("five replicas") };
    for number in [first, second] {
        changes::register(&mut map, &[started(number, 4, 8)], &[]).unwrap();
    }
    // All the replicas that the map names would be there but for one; of the voters only two.
    let before = map.clone();
    let refused = changes::register(&mut map, &[started(third, 4, 8)], &[]).unwrap_err();
    let MapError::TooManyForgot { drives, replaced: 2, .. } = &refused else { panic!("{refused}") };
    assert!(*drives == [drive_of(third)] && refused.to_string().contains(&drive_of(third).to_string()), "{refused}");
    assert_eq!(map, before);
    assert_eq!(
        changes::check_spare(&map, &map.view(), drive_of(third)).map_err(|error| error.to_string().is_empty()),
        Err(false)
    );
    // One whose own voter was given up takes none with it, however often it is emptied.
    changes::register(&mut map, &[started(first, 5, 9)], &[]).unwrap();
    // Once the first has its vote again the third may go, and then nobody else.
    let mut later = map.clone();
    for range in std::iter::once(&mut later.meta_group).chain(&mut later.ranges) {
        let members = range.members.as_mut().unwrap();
        members.index += 1;
        members.voters.retain(|_, drive| *drive != drive_of(first));
        let joined = range.replicas.iter().filter(|(_, drive)| **drive == drive_of(first));
        members.voters.extend(joined.map(|(replica, drive)| (*replica, *drive)));
    }
    changes::register(&mut later, &[started(third, 4, 8)], &[]).unwrap();
    let refused = changes::register(&mut later, &[started(fourth, 4, 8)], &[]);
    assert!(matches!(refused, Err(MapError::TooManyForgot { .. })));
}

#[test]
fn most_of_both_sets_of_voters_must_remain_while_a_change_is_half_done() {
    let mut map = running();
    let range = map.ranges[0].clone();
    let drives: Vec<_> = range.replicas.values().copied().collect();
    let members = map.ranges[0].members.as_mut().unwrap();
    members.earlier_voters = members.voters.iter().take(3).map(|(replica, drive)| (*replica, *drive)).collect();
    // Two of five may go, and only one of three.
    assert_eq!(changes::check_survivors(&map, &drives[3..].iter().copied().collect()), Ok(()));
    let refused = changes::check_survivors(&map, &drives[..2].iter().copied().collect());
    assert!(matches!(refused, Err(MapError::TooManyForgot { .. })));
}

#[test]
fn a_replica_may_begin_anew_if_its_group_can_do_without_it() {
    let mut map = running();
    let ids: Vec<ReplicaId> = map.ranges[0].replicas.keys().copied().collect();
    let worthless = |some: &[ReplicaId]| some.iter().copied().collect();
    assert!(changes::renewable(&map, ids[0], &worthless(&ids[..2])));
    assert!(!changes::renewable(&map, ids[0], &worthless(&ids[..3])));
    // One that has no vote is not missed.
    map.ranges[0].members.as_mut().unwrap().voters.remove(&ids[0]);
    assert!(changes::renewable(&map, ids[0], &worthless(&ids[..3])));
}

#[test]
fn rows_are_given_up_only_if_most_of_the_voters_are_elsewhere_and_up() {
    let mut map = running();
    let range = map.ranges[0].clone();
    let (ids, drives): (Vec<_>, Vec<_>) = range.places().unzip();
    let set = |drives: &[DriveId]| drives.iter().copied().collect::<BTreeSet<_>>();
    let in_need = |map: &ClusterMap, lost: &[DriveId], away: &[DriveId]| {
        changes::ranges_in_need(map, &set(lost), &set(away)).contains(&range.id)
    };
    assert!(changes::can_do_without(&map, ids[0]));
    assert!(!in_need(&map, &drives[..2], &[]) && in_need(&map, &drives[..3], &[]));
    assert!(!in_need(&map, &drives[..1], &drives[1..2]) && in_need(&map, &drives[..1], &drives[1..3]));
    assert!(!in_need(&map, &[], &drives[..3]), "nothing of it is lost");
    for away in &drives[1..3] {
        map.drives.get_mut(away).unwrap().down_since_ms = Some(1);
    }
    assert!(!changes::can_do_without(&map, ids[0]) && changes::can_do_without(&map, ids[1]));
    // A voter that the map does not name has given up its rows already.
    map.ranges[0].replicas.remove(&ids[4]);
    assert!(in_need(&map, &drives[..2], &[]));
}
