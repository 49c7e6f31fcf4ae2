//! A drive that an empty one takes the place of: whether that puts anything else in danger.
//!
//! The map changes when the empty drive registers: it keeps the id and has another incarnation.
//! Must not know: folders.

use couronne_ring::DriveId;

use crate::drive_state::Liveness;
use crate::error::MapError;
use crate::map::{MapDrive, MapView};

/// Refuses to do without a drive that is up while another one is not, or if it holds the only copies.
pub fn check_spare(map: &MapView, id: DriveId) -> Result<(), MapError> {
    if map.policies.values().any(|policy| policy.redundancy.losses() == 0) {
        return Err(MapError::OnlyCopy);
    }
    check_others(map, |drive, _| drive == id)
}

/// Refuses to do without the drives that `is_spared` names while another one is not up.
pub(super) fn check_others(map: &MapView, is_spared: impl Fn(DriveId, &MapDrive) -> bool) -> Result<(), MapError> {
    let mut others = map.drives.iter().filter(|(id, drive)| !is_spared(**id, drive));
    match others.find(|(_, drive)| drive.state.liveness() != Liveness::Up) {
        Some((other, _)) => Err(MapError::AnotherIsDown(*other)),
        None => Ok(()),
    }
}
