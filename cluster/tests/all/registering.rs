//! Drives that come back, and drives that are given up.

use couronne_cluster::changes::{self, StartedDrive};
use couronne_cluster::map::{ClusterMap, DriveStart, Emptied, LogEnd, ReplicaId};
use couronne_cluster::{DriveState, MapError, WriteState};

use crate::support::{drive_of, formed};

fn started(number: u128, boots: u64, incarnation: u64) -> StartedDrive {
    let log_end = LogEnd { file: boots, offset: 4096 };
    let start = DriveStart { boots, incarnation, start: number_of_start(boots, incarnation), log_end };
    StartedDrive { drive: drive_of(number), start, writes: WriteState::Writable }
}

/// Another for each start.
fn number_of_start(boots: u64, incarnation: u64) -> u64 {
    boots * 100 + incarnation
}

/// A cluster that every drive has been started in, and whose ranges are led.
fn running() -> ClusterMap {
    let mut map = formed(6, 3, "ec:4+2");
    map.meta_group.initial_voters.clear();
    map.ranges.iter_mut().for_each(|range| range.initial_voters.clear());
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

#[test]
fn more_that_forgot_than_are_survived_are_refused() {
    let mut map = running();
    let before = map.clone();
    let all: Vec<_> = (1..=6).map(|number| started(number, 1, 7)).collect();
    assert_eq!(changes::register(&mut map, &all, &[]), Err(MapError::TooManyForgot));
    assert_eq!(map, before);
}

#[test]
fn no_drive_is_given_up_while_another_is_down_or_where_it_holds_the_only_copies() {
    let mut view = running().view();
    assert_eq!(changes::check_spare(&view, drive_of(2)), Ok(()));
    view.drives.get_mut(&drive_of(2)).unwrap().state = DriveState::DOWN;
    assert_eq!(changes::check_spare(&view, drive_of(2)), Ok(()), "it is the one that is down");
    assert_eq!(changes::check_spare(&view, drive_of(3)), Err(MapError::AnotherIsDown(drive_of(2))));
    let view = formed(2, 1, "single").view();
    assert_eq!(changes::check_spare(&view, drive_of(1)), Err(MapError::OnlyCopy));
}
