//! A drive that an empty one takes the place of: whether that puts anything else in danger.
//!
//! The map changes when the empty drive registers: it keeps the id and has another incarnation.
//! Must not know: folders.

use couronne_ring::DriveId;

use crate::drive_state::Liveness;
use crate::error::MapError;
use crate::map::{ClusterMap, MapDrive, MapView};

/// Refuses to do without a drive that is up while another one is not, if it holds the only copies, or if the voters
/// that serve elsewhere are too few for the quorum of any group. How drives are, `view` says.
pub fn check_spare(map: &ClusterMap, view: &MapView, id: DriveId) -> Result<(), MapError> {
    if view.policies.values().any(|policy| policy.redundancy.losses() == 0) {
        return Err(MapError::OnlyCopy);
    }
    check_others(map, view, |drive, _| drive == id)?;
    check_quorum(map, view, id)
}

/// Refuses to do without what a drive held while the voters that serve elsewhere are too few for the quorum of a group: if
/// it can be brought back it has a vote that is needed. How drives are, `view` says.
pub fn check_quorum(map: &ClusterMap, view: &MapView, id: DriveId) -> Result<(), MapError> {
    let is_gone = |_, drive: DriveId| drive == id || !view.drive_state(drive).is_up();
    let unserved = map.all_ranges().find(|range| {
        range.places().any(|(replica, drive)| drive == id && range.is_voter(replica)) && !range.keeps_quorum(is_gone)
    });
    unserved.map_or(Ok(()), |range| Err(MapError::QuorumNeedsIt(range.id)))
}

/// Refuses to do without the drives that `is_spared` names while another one is not up. Nobody waits for those of expelled
/// nodes once they are lost.
pub(super) fn check_others(
    map: &ClusterMap,
    view: &MapView,
    is_spared: impl Fn(DriveId, &MapDrive) -> bool,
) -> Result<(), MapError> {
    let is_gone = |id: &DriveId, drive: &MapDrive| {
        map.is_expelled(drive.node) && map.drives.get(id).is_some_and(|known| known.lost_version.is_some())
    };
    let mut others = view.drives.iter().filter(|(id, drive)| !is_spared(**id, drive) && !is_gone(id, drive));
    match others.find(|(_, drive)| drive.state.liveness() != Liveness::Up) {
        Some((other, _)) => Err(MapError::AnotherIsDown(*other)),
        None => Ok(()),
    }
}
