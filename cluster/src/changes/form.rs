//! Forming a cluster, in two steps: once all nodes are there, the meta group gets all its replicas; once these are its
//! voters, the map gets rings and ranges.
//!
//! Promises: deterministic in the drives' ids; a cluster is formed once and for good; before it is, nothing can be
//! written, for the map would lie on fewer drives than the policies promise.
//! Must not know: folders, tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::mutant;
use couronne_metadata::ids::{Generation, RangeId};
use couronne_placement::{Policy, replicas};
use couronne_ring::{DriveId, Ring, RingBuilder, RingDrive};

use crate::error::{MapError, PolicyRefusal};
use crate::map::{ClusterMap, MapPolicy, MapRange, ReplicaId};

/// Partitions of a ring are 2 to this power.
const PARTITION_BITS: u8 = 10;

/// Whether all nodes that the cluster waits for have joined, and it is not formed.
pub fn are_all_there(map: &ClusterMap) -> bool {
    map.bootstrap.is_some_and(|bootstrap| map.storage_nodes().count() >= usize::from(bootstrap.nodes))
}

/// Whether the cluster can be formed: all nodes are there, and the meta group has its voters.
pub fn can_form(map: &ClusterMap) -> bool {
    let has_voters = map.meta_group.replicas.len() >= map.metadata_replicas() && map.meta_group.is_settled();
    are_all_there(map) && (has_voters || mutant!(FormWithoutVoters))
}

/// Gives the meta group as many replicas as its policies survive losses, once none of it is leaving; whether it had
/// fewer.
pub fn complete_meta_group(map: &mut ClusterMap) -> Result<bool, MapError> {
    let drives = map.ring_drives();
    let mut count = 1;
    for MapPolicy { policy, .. } in map.policies.values() {
        count = count.max(replica_count(policy, drives.len())?);
    }
    if map.meta_group.replicas.len() >= count || !map.meta_group.leaving.is_empty() {
        return Ok(false);
    }
    // The replica that there is stays one: it holds the map.
    let kept: Vec<DriveId> = map.meta_group.replicas.values().copied().collect();
    let chosen = replicas(&drives, count, 0, |drive| u32::from(!kept.contains(&drive)))?;
    for drive in chosen.into_iter().filter(|drive| !kept.contains(drive)) {
        let replica = map.new_replica();
        map.meta_group.replicas.insert(replica, drive);
    }
    Ok(true)
}

/// Gives the map its rings and its ranges. A map that is formed stays as it is.
pub fn form(map: &mut ClusterMap) -> Result<(), MapError> {
    let Some(bootstrap) = map.bootstrap else { return Ok(()) };
    let drives = map.ring_drives();
    let mut formed = map.clone();
    formed.bootstrap = None;
    for MapPolicy { policy, ring } in formed.policies.values_mut() {
        replica_count(policy, drives.len())?;
        *ring = Some(Arc::new(first_ring(policy, &drives)?));
    }
    let count = formed.metadata_replicas();
    let mut load: BTreeMap<DriveId, u32> = BTreeMap::new();
    for (number, (start, end)) in (0u64..).zip(cuts(bootstrap.ranges)) {
        let chosen = replicas(&drives, count, number, |drive| load.get(&drive).copied().unwrap_or(0))?;
        let mut members: BTreeMap<ReplicaId, DriveId> = BTreeMap::new();
        for drive in chosen {
            *load.entry(drive).or_default() += 1;
            members.insert(formed.new_replica(), drive);
        }
        let (id, generation, initial_voters) = (RangeId(number + 1), Generation(1), members.clone());
        formed.ranges.push(MapRange {
            id,
            generation,
            start,
            end,
            replicas: members,
            leaving: BTreeMap::new(),
            members: None,
            initial_voters,
        });
    }
    *map = formed;
    Ok(())
}

/// The first ring of a policy, over all drives.
pub(super) fn first_ring(policy: &Policy, drives: &[RingDrive]) -> Result<Ring, MapError> {
    let refused = |refusal| MapError::Policy(policy.name.to_string(), refusal);
    let geometry = policy.geometry(None);
    let geometry = geometry.map_err(|error| refused(PolicyRefusal::Geometry(policy.redundancy, error)))?;
    let build = || {
        let mut builder = RingBuilder::new(PARTITION_BITS, geometry.shards())?;
        drives.iter().try_for_each(|drive| builder.add(drive.clone()))?;
        builder.rebalance()
    };
    build().map_err(|error| refused(PolicyRefusal::Ring(policy.redundancy, error)))
}

/// How many replicas a range has: `2f + 1` on distinct drives. Fewer would break the policy's promise.
fn replica_count(policy: &Policy, drives: usize) -> Result<usize, MapError> {
    let redundancy = policy.redundancy;
    let wanted = usize::from(redundancy.metadata_replicas());
    if drives < wanted {
        let refusal = PolicyRefusal::MetadataDrives { redundancy, wanted, drives };
        return Err(MapError::Policy(policy.name.to_string(), refusal));
    }
    Ok(wanted)
}

/// The keyspace in `count` even pieces by the random part of bucket ids; the first holds the system bucket.
fn cuts(count: u16) -> Vec<(Bytes, Bytes)> {
    let count = u32::from(count.max(1));
    let cut = |piece: u32| -> Bytes {
        if piece == 0 || piece >= count {
            return Bytes::new();
        }
        // The residency class (2 bytes, 0 here) comes first in a bucket id, then random bytes.
        let random = u16::try_from((piece << 16) / count).unwrap_or(u16::MAX);
        let mut position = vec![0, 0];
        position.extend_from_slice(&random.to_be_bytes());
        position.into()
    };
    (0..count).map(|piece| (cut(piece), cut(piece + 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_cover_the_keyspace_without_gaps() {
        for count in [1, 2, 8, 40] {
            let cuts = cuts(count);
            assert_eq!(cuts.len(), usize::from(count));
            assert!(cuts.first().unwrap().0.is_empty() && cuts.last().unwrap().1.is_empty());
            assert!(cuts.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[0].0 < pair[0].1));
        }
    }
}
