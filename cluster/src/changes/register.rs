//! A node's drives when it starts: each says how often it was started, which incarnation it is, and where its log ends.
//!
//! Promises: no clock of the node counts; a drive that forgot its past is noted as emptied, and none of its replicas
//! votes again under its id; where too many forgot at once nothing is touched.
//! Must not know: how a drive is opened.

use std::collections::BTreeSet;

use couronne_ring::DriveId;

use super::renew_replicas::renew_drive;
use crate::drive_state::{DriveState, WriteState};
use crate::error::MapError;
use crate::map::{ClusterMap, DriveStart, Emptied, ReplicaId, StoredDrive};

/// A drive that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartedDrive {
    /// Which.
    pub drive: DriveId,
    /// What its identity and its log say.
    pub start: DriveStart,
    /// Whether it takes new shards.
    pub writes: WriteState,
    /// Whether it has its log and its stores, and lacks segments that were durable.
    pub has_lost_segments: bool,
}

/// Notes that these drives serve. Those that forgot their past, by the map or as `forgetful` says, get new replicas;
/// the old ones are returned. Those that lost segments alone are noted as emptied, and keep their replicas.
pub fn register(
    map: &mut ClusterMap,
    started: &[StartedDrive],
    forgetful: &[DriveId],
) -> Result<Vec<(DriveId, ReplicaId)>, MapError> {
    let is_expelled = |one: &StartedDrive| map.drives.get(&one.drive).is_some_and(|known| map.is_expelled(known.node));
    if started.iter().any(is_expelled) {
        return Err(MapError::Expelled);
    }
    let forgot = |one: &&StartedDrive| map.drives.get(&one.drive).is_some_and(|known| known.has_forgotten(&one.start));
    let forgot = started.iter().filter(forgot).map(|one| one.drive);
    let forgot: BTreeSet<DriveId> = forgot.chain(forgetful.iter().copied()).collect();
    check_survivors(map, &forgot)?;
    let mut changed = map.clone();
    let next_version = map.version.saturating_add(1);
    for StartedDrive { drive: id, start, writes, has_lost_segments } in started {
        let Some(drive) = changed.drives.get_mut(id) else { continue };
        let is_repeated = drive.start == start.start;
        (drive.boots, drive.incarnation, drive.start) = (start.boots, Some(start.incarnation), start.start);
        // What was noted since a start that is registered once more is no less true.
        drive.log_end = if is_repeated { drive.log_end.max(start.log_end) } else { start.log_end };
        if *has_lost_segments && !is_repeated && !forgot.contains(id) {
            note_emptied(drive, next_version);
        }
        let to = DriveState::up(*writes);
        // A drive that serves has no time of its own.
        drive.enter(to, 0).map_err(|from| MapError::Transition { drive: *id, from, to })?;
    }
    let mut gone = Vec::new();
    for drive in forgot {
        gone.extend(forget_past(&mut changed, drive).into_iter().map(|replica| (drive, replica)));
    }
    *map = changed;
    Ok(gone)
}

/// Notes that a drive has forgotten its past: it is emptied as of the map's next version, and its replicas get new ids.
/// Returns the old ones.
pub(super) fn forget_past(map: &mut ClusterMap, drive: DriveId) -> Vec<ReplicaId> {
    let version = map.version.saturating_add(1);
    if let Some(drive) = map.drives.get_mut(&drive) {
        note_emptied(drive, version);
    }
    renew_drive(map, drive)
}

/// Notes that what a drive had to hold must be looked for, as of this version of the map.
const fn note_emptied(drive: &mut StoredDrive, version: u64) {
    let times = drive.emptied.times.saturating_add(1);
    drive.emptied = Emptied { times, last_ms: None, version };
}

/// Refuses to go on when more voters of a range have forgotten their past than it survives, these drives' and those
/// that were given up before: the rest could not elect a leader, and what is left must not be touched.
pub fn check_survivors(map: &ClusterMap, forgot: &BTreeSet<DriveId>) -> Result<(), MapError> {
    for range in map.all_ranges().filter(|range| range.initial_voters.is_empty()) {
        let voters = range.places().filter(|(replica, _)| range.is_voter(*replica));
        let drives: Vec<DriveId> = voters.map(|(_, drive)| drive).filter(|drive| forgot.contains(drive)).collect();
        if !drives.is_empty() && !range.keeps_quorum(|_, drive| forgot.contains(&drive)) {
            return Err(MapError::TooManyForgot { range: range.id, drives, replaced: range.unnamed_voters() });
        }
    }
    Ok(())
}
