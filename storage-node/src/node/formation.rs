//! The first start: from empty drives and a policy to the node's first map.
//!
//! Deterministic in the drives' ids, so that a start that was cut off and repeated gives the same.
//! Must not know: folders, tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use couronne_metadata::ids::{Generation, RangeId};
use couronne_placement::{Policy, replicas};
use couronne_protocol::env::Env;
use couronne_ring::{DriveId, DriveState, NodeId, RegionName, RingBuilder, RingDrive, ZoneName};

use super::NodeError;
use super::map::{MapPolicy, MapRange, NodeMap};
use crate::consensus::types::ReplicaId;

/// Partitions of a ring are 2 to this power.
const PARTITION_BITS: u8 = 10;

/// The first map of a node with these drives.
pub(super) fn first_map(
    env: &Env,
    cluster: u128,
    drives: &[DriveId],
    policy: &Policy,
    range_count: u16,
) -> Result<NodeMap, NodeError> {
    let node = NodeId(u128::from_be_bytes(env.random_bytes()));
    let (region, zone) = (RegionName("local".into()), ZoneName("local".into()));
    let ring_drive = |id: &DriveId| RingDrive {
        id: *id,
        node,
        zone: zone.clone(),
        region: region.clone(),
        weight: 1,
        state: DriveState::Active,
    };
    let ring_drives: Vec<RingDrive> = drives.iter().map(ring_drive).collect();
    let refused = |error: &dyn std::fmt::Display| NodeError::Policy(format!("{}: {error}", policy.redundancy));
    let geometry = policy.geometry(None).map_err(|error| refused(&error))?;
    let mut builder = RingBuilder::new(PARTITION_BITS, geometry.shards()).map_err(|error| refused(&error))?;
    for drive in &ring_drives {
        builder.add(drive.clone()).map_err(|error| refused(&error))?;
    }
    let ring = Arc::new(builder.rebalance().map_err(|error| refused(&error))?);
    let policies = BTreeMap::from([(policy.id, MapPolicy { policy: policy.clone(), ring })]);
    let mut map = NodeMap {
        version: 1,
        cluster,
        node,
        born: false,
        policies,
        default_policy: policy.id,
        drives: drives.iter().map(|drive| (*drive, 0)).collect(),
        ranges: Vec::new(),
        next_replica: 1,
        seen_ms: env.clock.wall_ms(),
    };
    let count = replica_count(policy, drives.len())?;
    let mut load: BTreeMap<DriveId, u32> = BTreeMap::new();
    for (number, (start, end)) in (0u64..).zip(cuts(range_count)) {
        let chosen = replicas(&ring_drives, count, number, |drive| load.get(&drive).copied().unwrap_or(0));
        let mut members: BTreeMap<ReplicaId, DriveId> = BTreeMap::new();
        for drive in chosen.map_err(|error| refused(&error))? {
            *load.entry(drive).or_default() += 1;
            members.insert(map.new_replica(), drive);
        }
        let generation = Generation(1);
        map.ranges.push(MapRange { id: RangeId(number + 1), generation, start, end, replicas: members });
    }
    Ok(map)
}

/// How many replicas a range has: `2f + 1` on distinct drives. Fewer would break the policy's promise.
fn replica_count(policy: &Policy, drives: usize) -> Result<usize, NodeError> {
    let wanted = usize::from(policy.redundancy.metadata_replicas());
    if drives < wanted {
        let reason = format!(
            "{} survives {} losses, so its metadata needs {wanted} drives; there are {drives}",
            policy.redundancy,
            policy.redundancy.losses()
        );
        return Err(NodeError::Policy(reason));
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
