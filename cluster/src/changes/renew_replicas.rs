//! Replicas that cannot go on begin anew: under new ids, on the drives that they were on.
//!
//! Promises: an id that was given up is never given again. Must not know: logs, rows.

use std::collections::BTreeSet;

use couronne_ring::DriveId;

use crate::map::{ClusterMap, ReplicaId};

/// Gives replicas that cannot go on new ids on the same drives.
pub fn renew_replicas(map: &mut ClusterMap, replicas: impl IntoIterator<Item = ReplicaId>) {
    for old in replicas {
        let new = map.new_replica();
        for range in map.all_ranges_mut() {
            if let Some(drive) = range.replicas.remove(&old) {
                range.replicas.insert(new, drive);
            }
        }
    }
}

/// Takes every replica off a drive that forgot its past, and gives it new ones: the old ids never
/// vote again. Returns those that went.
pub(super) fn renew_drive(map: &mut ClusterMap, drive: DriveId) -> Vec<ReplicaId> {
    let places = map.places().into_iter();
    let gone: Vec<ReplicaId> = places.filter(|(_, place)| *place == drive).map(|(id, _)| id).collect();
    renew_replicas(map, gone.iter().copied());
    gone
}

/// Whether the rows of a replica that is `worthless` can be had from the others of its range: most of these are not.
pub fn renewable(map: &ClusterMap, replica: ReplicaId, worthless: &BTreeSet<ReplicaId>) -> bool {
    map.all_ranges().filter(|range| range.replicas.contains_key(&replica)).any(|range| {
        let left = range.replicas.keys().filter(|replica| !worthless.contains(replica)).count();
        left * 2 > range.replicas.len()
    })
}
