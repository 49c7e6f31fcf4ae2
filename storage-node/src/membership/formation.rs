//! Making a cluster's map: first of one node, then, once all are there, with rings and ranges.
//!
//! Deterministic in the drives' ids. Must not know: folders, tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use couronne_metadata::ids::{Generation, RangeId};
use couronne_placement::{Policy, replicas};
use couronne_protocol::map::{Formation, MAP_RANGE, MapNode, MapPolicy, MapRange, MapState, ReplicaId, StoredDrive};
use couronne_ring::{DriveId, NodeId, Ring, RingBuilder, RingDrive};

use crate::error::NodeError;

/// Partitions of a ring are 2 to this power.
const PARTITION_BITS: u8 = 10;

/// The first map, of one node and its drives (with their weights). A cluster of one node is formed at once.
pub(super) fn found(
    cluster: u128,
    (id, node): (NodeId, MapNode),
    drives: &[(DriveId, u32)],
    policy: &Policy,
    formation: Formation,
) -> Result<MapState, NodeError> {
    let first = drives.first().ok_or_else(|| NodeError::TooFewDrives("there is none".to_owned()))?;
    let founder = BTreeMap::from([(ReplicaId(1), first.0)]);
    let stored = |(drive, weight): &(DriveId, u32)| (*drive, StoredDrive::new(id, *weight));
    let mut map = MapState {
        version: 1,
        cluster,
        formation: Some(formation),
        nodes: BTreeMap::from([(id, node)]),
        drives: drives.iter().map(stored).collect(),
        policies: BTreeMap::from([(policy.id, MapPolicy { policy: policy.clone(), ring: None })]),
        default_policy: policy.id,
        keepers: MapRange {
            id: MAP_RANGE,
            generation: Generation(1),
            start: Bytes::new(),
            end: Bytes::new(),
            replicas: founder.clone(),
            founders: founder,
        },
        ranges: Vec::new(),
        next_replica: 2,
    };
    if formation.nodes <= 1 {
        form(&mut map)?;
        // Nobody has begun yet: all keepers are founders.
        map.keepers.founders.clone_from(&map.keepers.replicas);
    }
    Ok(map)
}

/// Whether all that the cluster waits for is there.
pub(super) fn can_form(map: &MapState) -> bool {
    map.formation.is_some_and(|formation| map.storage_nodes().count() >= usize::from(formation.nodes))
}

/// Gives the map its rings, its ranges, and as many keepers as its policies survive losses.
pub(super) fn form(map: &mut MapState) -> Result<(), NodeError> {
    let Some(formation) = map.formation.take() else { return Ok(()) };
    let drives = map.ring_drives();
    let mut count = 1;
    for MapPolicy { policy, ring } in map.policies.values_mut() {
        *ring = Some(Arc::new(first_ring(policy, &drives)?));
        count = count.max(replica_count(policy, drives.len())?);
    }
    let refused = |error: &dyn std::fmt::Display| NodeError::Policy(format!("placing metadata: {error}"));
    let mut load: BTreeMap<DriveId, u32> = BTreeMap::new();
    for (number, (start, end)) in (0u64..).zip(cuts(formation.ranges)) {
        let chosen = replicas(&drives, count, number, |drive| load.get(&drive).copied().unwrap_or(0));
        let mut members: BTreeMap<ReplicaId, DriveId> = BTreeMap::new();
        for drive in chosen.map_err(|error| refused(&error))? {
            *load.entry(drive).or_default() += 1;
            members.insert(map.new_replica(), drive);
        }
        let (id, generation, founders) = (RangeId(number + 1), Generation(1), members.clone());
        map.ranges.push(MapRange { id, generation, start, end, replicas: members, founders });
    }
    // The keeper there is stays one: it holds the map.
    let kept: Vec<DriveId> = map.keepers.replicas.values().copied().collect();
    let chosen = replicas(&drives, count, 0, |drive| u32::from(!kept.contains(&drive)));
    for drive in chosen.map_err(|error| refused(&error))?.into_iter().filter(|drive| !kept.contains(drive)) {
        let replica = map.new_replica();
        map.keepers.replicas.insert(replica, drive);
    }
    Ok(())
}

pub(super) fn first_ring(policy: &Policy, drives: &[RingDrive]) -> Result<Ring, NodeError> {
    let refused = |error: &dyn std::fmt::Display| NodeError::Policy(format!("{}: {error}", policy.redundancy));
    let geometry = policy.geometry(None).map_err(|error| refused(&error))?;
    let mut builder = RingBuilder::new(PARTITION_BITS, geometry.shards()).map_err(|error| refused(&error))?;
    for drive in drives {
        builder.add(drive.clone()).map_err(|error| refused(&error))?;
    }
    builder.rebalance().map_err(|error| refused(&error))
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
pub(super) mod tests {
    use couronne_placement::PolicyId;
    use couronne_protocol::transport::Role;
    use couronne_ring::{RegionName, ZoneName};

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

    fn node(number: u128, zone: u128) -> (NodeId, MapNode) {
        let node = MapNode {
            role: Role::StorageNode,
            name: format!("n{number}").into(),
            address: format!("127.0.0.1:{number}").into(),
            region: RegionName("region".into()),
            zone: ZoneName(format!("zone{zone}").into()),
        };
        (NodeId(number), node)
    }

    /// A formed cluster of so many nodes of one drive each, spread over so many zones.
    pub(in crate::membership) fn formed(nodes: u16, zones: u128) -> MapState {
        let formation = Formation { nodes, ranges: 4 };
        let mut map = found(9, node(1, 1 % zones), &[(DriveId(10), 1)], &policy(), formation).unwrap();
        for number in 2..=u128::from(nodes) {
            join(&mut map, number, number % zones);
        }
        assert!(can_form(&map));
        form(&mut map).unwrap();
        map
    }

    fn join(map: &mut MapState, number: u128, zone: u128) {
        let (id, joined) = node(number, zone);
        map.nodes.insert(id, joined);
        map.drives.insert(DriveId(10 * number), StoredDrive::new(id, 1));
    }

    pub(in crate::membership) fn policy() -> Policy {
        Policy {
            id: PolicyId(0),
            name: "standard".into(),
            redundancy: "ec:4+2".parse().unwrap(),
            chunk_bytes: 4 << 20,
            inline_bytes_max: 1024,
            copies_bytes_max: 4096,
            survives: None,
        }
    }

    #[test]
    fn a_cluster_is_formed_when_all_are_there_and_its_replicas_are_on_distinct_nodes() {
        let formation = Formation { nodes: 6, ranges: 4 };
        let mut map = found(9, node(1, 0), &[(DriveId(10), 1)], &policy(), formation).unwrap();
        assert_eq!(map.keepers.replicas.len(), 1);
        for number in 2..=6 {
            assert!(!can_form(&map));
            join(&mut map, number, 0);
        }
        assert!(can_form(&map));
        form(&mut map).unwrap();
        assert!(map.keepers.replicas.contains_key(&ReplicaId(1)) && map.keepers.founders.len() == 1);
        for range in map.all_ranges() {
            let nodes: std::collections::BTreeSet<_> =
                range.replicas.values().map(|drive| map.drives[drive].node).collect();
            assert_eq!(nodes.len(), 5);
        }
        let again = MapState::decode(map.encode()).unwrap();
        assert_eq!(again.encode(), map.encode());
        assert_eq!(again.view().rings.len(), 1);
    }
}
