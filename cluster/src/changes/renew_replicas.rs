//! Replicas that cannot go on begin anew: under new ids, on the drives that they were on. One that was leaving is gone.
//!
//! Promises: an id that was given up is never given again. Must not know: logs, rows.

use std::collections::BTreeSet;

use couronne_metadata::ids::RangeId;
use couronne_ring::DriveId;

use crate::map::{ClusterMap, MapRange, ReplicaId};

/// Gives replicas that cannot go on new ids on the same drives.
pub fn renew_replicas(map: &mut ClusterMap, replicas: impl IntoIterator<Item = ReplicaId>) {
    for old in replicas {
        let new = map.new_replica();
        for range in map.all_ranges_mut() {
            range.leaving.remove(&old);
            if let Some(drive) = range.replicas.remove(&old) {
                range.replicas.insert(new, drive);
            }
        }
    }
}

/// Takes every replica off a drive that lost what they were, and gives it new ones: the old ids never
/// vote again. Returns those that went.
pub fn renew_drive(map: &mut ClusterMap, drive: DriveId) -> Vec<ReplicaId> {
    let places = map.places().into_iter();
    let gone: Vec<ReplicaId> = places.filter(|(_, place)| *place == drive).map(|(id, _)| id).collect();
    renew_replicas(map, gone.iter().copied());
    gone
}

/// Whether the group of a replica can do without it: it has no vote, or most of the voters are not `worthless`.
pub fn renewable(map: &ClusterMap, replica: ReplicaId, worthless: &BTreeSet<ReplicaId>) -> bool {
    let mut ranges = map.all_ranges().filter(|range| range.places().any(|(place, _)| place == replica));
    ranges.any(|range| !range.is_voter(replica) || range.keeps_quorum(|voter, _| worthless.contains(&voter)))
}

/// Whether the group of a replica can do without it now: most of its voters are others, on drives that are up.
pub fn can_do_without(map: &ClusterMap, replica: ReplicaId) -> bool {
    let is_away = |drive: &DriveId| map.drives.get(drive).is_none_or(|drive| drive.down_since_ms.is_some());
    let away = map.places().into_iter().filter(|(_, drive)| is_away(drive)).map(|(away, _)| away);
    renewable(map, replica, &away.chain([replica]).collect())
}

/// Whether a drive has a replica with a vote.
pub fn has_votes(map: &ClusterMap, drive: DriveId) -> bool {
    map.all_ranges().any(|range| range.places().any(|(replica, place)| place == drive && range.is_voter(replica)))
}

/// The ranges that have a voter on drives whose rows are `lost`, and no quorum without these and those that are `away`.
pub fn ranges_in_need(map: &ClusterMap, lost: &BTreeSet<DriveId>, away: &BTreeSet<DriveId>) -> Vec<RangeId> {
    let loses = |range: &&MapRange| {
        range.places().any(|(replica, drive)| range.is_voter(replica) && lost.contains(&drive))
            && !range.keeps_quorum(|_, drive| lost.contains(&drive) || away.contains(&drive))
    };
    map.all_ranges().filter(loses).map(|range| range.id).collect()
}
