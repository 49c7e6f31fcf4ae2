//! What the map notes about once a minute: up to where logs are durable, and the cluster time. And what members hear of
//! the ends of logs in between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use couronne_cluster::changes::{self, Reports, StartedDrive};
use couronne_cluster::map::{ClusterMap, CommittedMembers, DriveStart, Emptied, LogEnd};
use couronne_cluster::report::{CertificateReport, DriveLogEnd};
use couronne_cluster::{DriveState, HeardLogEnds, NEWS_MAX, WriteState};
use couronne_metadata::ids::RangeId;
use couronne_ring::{DriveId, NodeId};

use crate::support::{drive_of, formed};

/// The number of the start that every drive of the map registered with.
const START: u64 = 5;

/// The ends that drives said, and whether ends within a file are due.
#[derive(Default)]
struct SaidEnds {
    down: Option<DriveId>,
    ends: BTreeMap<u128, (u64, LogEnd)>,
    are_due: bool,
    /// The cluster time, as the leader counts it.
    time_ms: Option<u64>,
    grace_ms: Option<u64>,
}

impl Reports for SaidEnds {
    fn drive(&self, _: NodeId, drive: DriveId) -> Option<DriveState> {
        (self.down == Some(drive)).then_some(DriveState::DOWN)
    }

    fn log_end(&self, drive: DriveId) -> Option<DriveLogEnd> {
        let (_, (start, end)) = self.ends.iter().find(|(number, _)| drive_of(**number) == drive)?;
        Some(DriveLogEnd { drive, start: *start, end: *end })
    }

    fn notes_are_due(&self) -> bool {
        self.are_due
    }

    fn time_ms(&self) -> Option<u64> {
        self.time_ms
    }

    fn is_led(&self, _: RangeId) -> bool {
        false
    }

    fn group(&self, _: RangeId) -> Option<CommittedMembers> {
        None
    }

    fn certificate(&self, _: NodeId) -> Option<CertificateReport> {
        None
    }

    fn grace_ms(&self) -> Option<u64> {
        self.grace_ms
    }
}

const fn end(file: u64, offset: u64) -> LogEnd {
    LogEnd { file, offset }
}

/// Six drives, each with a log that ended at 4096 in its first file.
fn running() -> ClusterMap {
    let mut map = formed(6, 3, "ec:4+2");
    let start = DriveStart { boots: 1, incarnation: 7, start: START, log_end: end(1, 4096) };
    let started = |number| StartedDrive {
        drive: drive_of(number),
        start,
        writes: WriteState::Writable,
        has_lost_segments: false,
    };
    changes::register(&mut map, &(1..=6).map(started).collect::<Vec<_>>(), &[]).unwrap();
    map
}

/// When a drive was emptied is told by the clock of the leader that follows the reports, once.
#[test]
fn the_leader_notes_when_a_drive_was_emptied() {
    let (mut map, nothing) = (running(), SaidEnds::default());
    let start = DriveStart { boots: 1, incarnation: 8, start: 6, log_end: LogEnd::START };
    let back = StartedDrive { drive: drive_of(2), start, writes: WriteState::Writable, has_lost_segments: false };
    changes::register(&mut map, &[back], &[]).unwrap();
    let (version, emptied) = (map.version + 1, |map: &ClusterMap| map.drives[&drive_of(2)].emptied);
    assert_eq!(emptied(&map), Emptied { times: 1, last_ms: None, version });
    map.version = version;
    assert!(changes::follow_reports(&mut map, &nothing, 900).unwrap().emptied);
    assert_eq!(emptied(&map), Emptied { times: 1, last_ms: Some(900), version });
    assert!(changes::follow_reports(&mut map, &nothing, 950).unwrap().is_empty());
}

/// What was lost with a drive is told by the version of the map that first took it for lost, until it is back.
#[test]
fn a_drive_is_lost_as_of_one_version_of_the_map_until_it_is_back() {
    let (mut map, down) = (running(), Some(drive_of(1)));
    let follow = |map: &mut ClusterMap, heard: SaidEnds, now_ms| {
        let lost = changes::follow_reports(map, &heard, now_ms).unwrap().lost;
        map.version += 1;
        lost
    };
    let heard = |grace_ms| SaidEnds { down, grace_ms, ..SaidEnds::default() };
    assert!(follow(&mut map, heard(Some(300)), 1000).is_empty());
    assert!(follow(&mut map, heard(None), 9000).is_empty(), "the time is in doubt");
    assert!(follow(&mut map, heard(Some(300)), 1299).is_empty());
    let version = map.version + 1;
    assert_eq!(follow(&mut map, heard(Some(300)), 1300), [drive_of(1)]);
    assert!(follow(&mut map, heard(Some(300)), 9000).is_empty());
    assert_eq!((map.drives[&drive_of(1)].lost_version, map.loss_version()), (Some(version), version));
    let start = DriveStart { boots: 2, incarnation: 7, start: 6, log_end: end(1, 4096) };
    let back = StartedDrive { drive: drive_of(1), start, writes: WriteState::Writable, has_lost_segments: false };
    changes::register(&mut map, &[back], &[]).unwrap();
    assert_eq!((map.drives[&drive_of(1)].lost_version, map.loss_version()), (None, 0));
}

fn noted(ends: &[(u128, u64, LogEnd)], are_due: bool) -> Vec<LogEnd> {
    let mut map = running();
    let ends = ends.iter().map(|(number, start, end)| (*number, (*start, *end))).collect();
    let followed = changes::follow_reports(&mut map, &SaidEnds { ends, are_due, ..SaidEnds::default() }, 200).unwrap();
    let ends = (1..=6).map(|number| map.drives[&drive_of(number)].log_end).collect::<Vec<_>>();
    assert_eq!(followed.log_ends, ends.iter().any(|noted| *noted != end(1, 4096)));
    ends
}

#[test]
fn ends_within_a_file_are_noted_when_they_are_due() {
    let said = [(1, START, end(1, 8192)), (2, START, end(1, 4096))];
    assert_eq!(noted(&said, false), [end(1, 4096); 6]);
    assert_eq!(noted(&said, true)[..2], [end(1, 8192), end(1, 4096)]);
}

#[test]
fn a_log_that_began_another_file_has_all_ends_noted() {
    let said = [(1, START, end(1, 8192)), (2, START, end(2, 0))];
    assert_eq!(noted(&said, false)[..3], [end(1, 8192), end(2, 0), end(1, 4096)]);
}

/// What a drive is put back to within the minute is older than what was heard of it last.
#[test]
fn a_drive_that_goes_down_has_noted_what_was_heard_of_it_last() {
    let mut map = running();
    let ends = BTreeMap::from([(1, (START, end(1, 8192)))]);
    let heard = SaidEnds { ends, down: Some(drive_of(1)), ..SaidEnds::default() };
    assert!(changes::follow_reports(&mut map, &heard, 200).unwrap().log_ends);
    let back = |log_end| DriveStart { boots: 2, incarnation: 7, start: START + 1, log_end };
    assert!(map.drives[&drive_of(1)].has_forgotten(&back(end(1, 8000))));
    assert!(!map.drives[&drive_of(1)].has_forgotten(&back(end(1, 8192))));
}

#[test]
fn an_end_never_goes_back_and_another_start_s_end_says_nothing() {
    let said = [(1, START, end(0, 9000)), (2, START + 1, end(9, 0))];
    assert_eq!(noted(&said, true), [end(1, 4096); 6]);
}

/// The cluster time is noted with the ends of logs, and never goes back.
#[test]
fn the_cluster_time_is_noted_when_notes_are_due_and_only_rises() {
    let mut map = running();
    let start_ms = map.time_ms;
    let mut heard = SaidEnds { time_ms: Some(start_ms + 60_000), ..SaidEnds::default() };
    assert!(changes::follow_reports(&mut map, &heard, 0).unwrap().is_empty());
    heard.are_due = true;
    assert!(changes::follow_reports(&mut map, &heard, 0).unwrap().time);
    assert_eq!(map.time_ms, start_ms + 60_000);
    for time_ms in [None, Some(0), Some(start_ms + 59_999), Some(start_ms + 60_000)] {
        heard.time_ms = time_ms;
        assert!(changes::follow_reports(&mut map, &heard, 0).unwrap().is_empty());
        assert_eq!(map.time_ms, start_ms + 60_000);
    }
}

const fn said(drive: DriveId, start: u64, end: LogEnd) -> DriveLogEnd {
    DriveLogEnd { drive, start, end }
}

#[test]
fn an_end_that_was_heard_rises_only_and_is_of_the_start_that_the_map_knows() {
    let (map, mut heard) = (running(), HeardLogEnds::default());
    let drive = drive_of(1);
    let mut hear = |one| {
        heard.hear(&map, [one], Duration::ZERO);
        heard.of(one.drive).map(|known| known.end)
    };
    assert_eq!(hear(said(drive, START, end(1, 8192))), Some(end(1, 8192)));
    assert_eq!(hear(said(drive, START, end(1, 4096))), Some(end(1, 8192)));
    assert_eq!(hear(said(drive, START + 1, end(9, 0))), Some(end(1, 8192)));
    assert_eq!(hear(said(drive, START, end(2, 0))), Some(end(2, 0)));
    assert_eq!(hear(said(DriveId(77), START, end(2, 0))), None, "no drive of the map");
}

#[test]
fn an_end_of_a_later_start_takes_the_place_of_what_was_heard() {
    let (mut map, mut heard) = (running(), HeardLogEnds::default());
    heard.hear(&map, [said(drive_of(1), START, end(7, 0))], Duration::ZERO);
    // Formatted anew: its log begins again.
    let start = DriveStart { boots: 2, incarnation: 8, start: START + 1, log_end: LogEnd::START };
    let back = StartedDrive { drive: drive_of(1), start, writes: WriteState::Writable, has_lost_segments: false };
    changes::register(&mut map, &[back], &[]).unwrap();
    heard.hear(&map, [said(drive_of(1), START + 1, end(1, 0))], Duration::ZERO);
    assert_eq!(heard.of(drive_of(1)), Some(said(drive_of(1), START + 1, end(1, 0))));
}

#[test]
fn what_rose_is_told_for_a_while_and_of_many_drives_in_turn() {
    let mut map = formed(6, 3, "ec:4+2");
    let one = map.drives[&drive_of(1)].clone();
    let drives: Vec<DriveId> = (0..3 * NEWS_MAX as u128).map(|number| DriveId(1000 + number)).collect();
    map.drives.extend(drives.iter().map(|drive| (*drive, one.clone())));
    let (mut heard, at) = (HeardLogEnds::default(), |ms| Duration::from_millis(ms));
    heard.hear(&map, drives[..9].iter().map(|drive| said(*drive, one.start, end(1, 0))), at(0));
    heard.hear(&map, drives[..2].iter().map(|drive| said(*drive, one.start, end(1, 4096))), at(1500));
    assert_eq!(heard.news(at(1999), 5).len(), 9);
    assert_eq!(heard.news(at(2000), 5), [0, 1].map(|number| said(drives[number], one.start, end(1, 4096))));
    assert_eq!(heard.news(at(3500), 5), []);
    // As many as write at once: an answer is bounded, and whichever turn it is, all have theirs.
    heard.hear(&map, drives.iter().map(|drive| said(*drive, one.start, end(2, 0))), at(9000));
    let mut told = BTreeSet::new();
    for turn in 0..3 {
        let news = heard.news(at(9500), turn * NEWS_MAX as u64 + 768 * 5);
        assert_eq!(news.len(), NEWS_MAX);
        told.extend(news.into_iter().map(|said| said.drive));
    }
    assert_eq!(told, drives.into_iter().collect());
}
