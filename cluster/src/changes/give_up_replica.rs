//! A replica whose leader found that it lacks what it had acknowledged: its drive was put back to an earlier state.
//!
//! Promises: a replica that the map names no more changes nothing; a range that would be left without most of its
//! replicas is not touched. Must not know: how it was found.

use std::collections::BTreeSet;

use couronne_ring::DriveId;

use super::register::{check_survivors, forget_past};
use crate::error::MapError;
use crate::map::{ClusterMap, ReplicaId};

/// Takes the drive of a replica for one that forgot its past: the drive is noted as emptied, and all its replicas get
/// new ids. Returns the drive; none if the map does not name the replica.
pub fn give_up_replica(map: &mut ClusterMap, replica: ReplicaId) -> Result<Option<DriveId>, MapError> {
    let Some((_, drive)) = map.places().into_iter().find(|(named, _)| *named == replica) else { return Ok(None) };
    check_survivors(map, &BTreeSet::from([drive]))?;
    forget_past(map, drive);
    Ok(Some(drive))
}
