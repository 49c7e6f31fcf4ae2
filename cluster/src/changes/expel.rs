//! A member that is expelled: its certificate counts for nothing from then on, and its identity never joins again.
//!
//! A gateway leaves the map. A storage node stays in it with its drives, which are down for good: rings name them, and
//! repair rebuilds what they held elsewhere.
//! Promises: no range loses its quorum by it; the key of the cluster that a storage node has gives way to another one.
//! Must not know: certificates, keys.

use couronne_ring::{FailureDomain, NodeId};

use super::replace_drive::check_others;
use crate::drive_state::DriveState;
use crate::error::MapError;
use crate::map::{ClusterMap, MapRange};
use crate::role::Role;

/// Expels a member, at a time in milliseconds since 1970; returns whether that changed the map. Forced: although data is
/// lost or in danger by it.
pub fn expel(map: &mut ClusterMap, id: NodeId, is_forced: bool, now_ms: u64) -> Result<bool, MapError> {
    if map.is_expelled(id) {
        return Ok(false);
    }
    let role = map.nodes.get(&id).ok_or(MapError::UnknownMember)?.role;
    if role == Role::StorageNode {
        check_quorums(map, id)?;
        if !is_forced {
            check_spared(map, id)?;
            check_others(map, &map.view(), |_, drive| drive.node == id)?;
        }
        for drive in map.drives.values_mut().filter(|drive| drive.node == id) {
            // A drive of any state may become down.
            let _ = drive.enter(DriveState::DOWN, now_ms);
        }
        map.cluster_key.is_exposed = true;
    } else {
        map.nodes.remove(&id);
    }
    map.expelled.insert(id, now_ms);
    Ok(true)
}

/// Refuses to go on where a range would have no majority of its voters on drives that are up.
fn check_quorums(map: &ClusterMap, id: NodeId) -> Result<(), MapError> {
    let is_left = |drive: &_| map.drives.get(drive).is_some_and(|drive| drive.node != id && drive.state().is_up());
    let has_quorum = |range: &&MapRange| range.keeps_quorum(|_, drive| !is_left(&drive));
    map.all_ranges().find(|range| !has_quorum(range)).map_or(Ok(()), |range| Err(MapError::NoQuorumLeft(range.id)))
}

/// Refuses to go on where a policy loses more shards of a chunk than it can spare.
fn check_spared(map: &ClusterMap, id: NodeId) -> Result<(), MapError> {
    for known in map.policies.values() {
        let spare = usize::from(known.policy.redundancy.losses());
        let Some(ring) = &known.ring else { continue };
        if ring.fullest(FailureDomain::Node).iter().any(|(drive, fullest)| drive.node == id && *fullest > spare) {
            return Err(MapError::NotSpared(known.policy.name.to_string()));
        }
    }
    Ok(())
}
