//! Where chunks, handoffs and replicas go, and when a write may be acknowledged: properties over
//! generated clusters, the acknowledgement against a model that loses everything it may lose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use couronne_placement::{
    Binding, BlobId, ChunkId, Geometry, PlaceError, Quorum, QuorumError, ReplicasError, ShardFate, place, replicas,
};
use couronne_ring::{
    DriveId, FailureDomain, NodeId, RegionName, Ring, RingBuilder, RingDrive, RingMembership, ZoneName,
};
use proptest::prelude::*;

/// `zones` zones of `nodes` nodes of `drives` drives, all alike.
fn drives(zones: u8, nodes: u8, drives: u8) -> Vec<RingDrive> {
    let grid = (0..zones).flat_map(move |z| (0..nodes).flat_map(move |n| (0..drives).map(move |d| (z, n, d))));
    grid.map(|(zone, node, drive)| RingDrive {
        id: DriveId(u128::from_be_bytes([drive, node, zone, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, zone, node, drive])),
        node: NodeId(u128::from(zone) << 8 | u128::from(node)),
        zone: ZoneName(format!("z{zone}").into()),
        region: RegionName("r".into()),
        weight: 100,
        membership: RingMembership::Active,
    })
    .collect()
}

fn ring(width: u8, members: &[RingDrive]) -> Ring {
    let mut builder = RingBuilder::new(8, width).unwrap();
    members.iter().for_each(|drive| builder.add(drive.clone()).unwrap());
    builder.rebalance().unwrap()
}

fn chunk(number: u64) -> ChunkId {
    ChunkId {
        blob: BlobId::new(number, [7; 10], Binding::to(b"bucket", b"key")),
        index: u32::try_from(number % 3).unwrap(),
    }
}

fn geometry(k: u8, m: u8) -> Geometry {
    Geometry::new(k, m, 1 << 20).unwrap()
}

fn domain(ring: &Ring, id: DriveId, level: FailureDomain) -> u16 {
    ring.domains(id).unwrap().at(level)
}

/// A cluster, a geometry that fits it, and a chunk.
fn cases() -> impl Strategy<Value = (Ring, Geometry, ChunkId)> {
    (1..=3_u8, 1..=3_u8, 1..=3_u8, any::<u64>()).prop_flat_map(|(zones, nodes, per_node, number)| {
        let members = drives(zones, nodes, per_node);
        let width_max = u8::try_from(members.len()).unwrap().min(8);
        (1..=width_max).prop_flat_map(move |width| {
            let ring = ring(width, &members);
            (1..=width, Just(ring)).prop_flat_map(move |(shards, ring)| {
                (1..=shards).prop_map(move |k| (ring.clone(), geometry(k, shards - k), chunk(number >> 16)))
            })
        })
    })
}

/// The model: loses each domain of the level in turn, and looks whether `k` shards are left.
fn survives(ring: &Ring, durable: &[DriveId], k: usize, level: Option<FailureDomain>) -> bool {
    let Some(level) = level else { return durable.len() >= k };
    let left_without = |lost: u16| durable.iter().filter(|id| domain(ring, **id, level) != lost).count();
    durable.len() >= k && durable.iter().all(|id| left_without(domain(ring, *id, level)) >= k)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shards_have_drives_of_their_own((ring, geometry, chunk) in cases()) {
        let placement = place(&ring, chunk, &geometry).unwrap();
        let primaries: BTreeSet<_> = placement.primaries.iter().collect();
        prop_assert_eq!(primaries.len(), usize::from(geometry.shards()));
        prop_assert_eq!(placement.epoch, ring.epoch());
        prop_assert!(placement.primaries.iter().all(|id| ring.drives(placement.partition).contains(id)));
        prop_assert_eq!(&placement, &place(&ring, chunk, &geometry).unwrap());
    }

    #[test]
    fn handoffs_are_all_drives_but_the_lost((ring, geometry, chunk) in cases()) {
        let placement = place(&ring, chunk, &geometry).unwrap();
        let handoffs: Vec<DriveId> = placement.handoffs(&ring).collect();
        let distinct: BTreeSet<_> = handoffs.iter().collect();
        prop_assert_eq!(distinct.len(), handoffs.len());
        prop_assert_eq!(handoffs.len(), ring.all_drives().len());

        let lost = &placement.primaries[..1];
        let left: BTreeSet<_> = placement.handoffs_without(&ring, lost).collect();
        prop_assert!(!left.contains(&lost[0]));
        prop_assert_eq!(left.len() + 1, handoffs.len());
    }

    /// Whatever the rule lets pass survives what it promises; whatever it refuses would not.
    #[test]
    fn acknowledged_is_what_survives(
        (ring, geometry, chunk) in cases(),
        fates in prop::collection::vec((0..4_u8, any::<prop::sample::Index>()), 8),
    ) {
        let placement = place(&ring, chunk, &geometry).unwrap();
        let all: Vec<DriveId> = ring.all_drives().map(|(drive, _)| drive.id).collect();
        let fate = |(primary, (fate, handoff)): (&DriveId, &(u8, prop::sample::Index))| match fate {
            0 => ShardFate::DriveDown,
            1 => ShardFate::Durable(*handoff.get(&all)),
            _ => ShardFate::Durable(*primary),
        };
        let fates: Vec<ShardFate> = placement.primaries.iter().zip(&fates).map(fate).collect();
        let durable: Vec<DriveId> = fates.iter().filter_map(|fate| match fate {
            ShardFate::Durable(drive) => Some(*drive),
            _ => None,
        }).collect();

        let quorum = Quorum::new(&ring, &placement.primaries, &geometry, None).unwrap();
        let verdict = quorum.check(&ring, &fates);
        prop_assert_eq!(verdict.is_ok(), survives(&ring, &durable, geometry.k().into(), quorum.domain()));
        if verdict.is_ok() {
            // Any W - k of the W durable shards may be lost; with parity that is at least one.
            prop_assert!(durable.len() >= usize::from(geometry.k()) + usize::from(geometry.m() > 0));
        }
    }

    #[test]
    fn the_domain_is_the_widest_that_can_be_lost((ring, geometry, chunk) in cases()) {
        let placement = place(&ring, chunk, &geometry).unwrap();
        let quorum = Quorum::new(&ring, &placement.primaries, &geometry, None).unwrap();
        let lossy = |level: &FailureDomain| survives(&ring, &placement.primaries, geometry.k().into(), Some(*level));
        prop_assert_eq!(quorum.domain(), FailureDomain::WIDEST_FIRST.into_iter().find(lossy));
        prop_assert_eq!(quorum.domain().is_none(), geometry.m() == 0);
        for demanded in FailureDomain::WIDEST_FIRST {
            let answer = Quorum::new(&ring, &placement.primaries, &geometry, Some(demanded));
            prop_assert_eq!(answer.is_ok(), lossy(&demanded));
        }
    }

    #[test]
    fn replicas_spread_and_share_the_load(zones in 1..=4_u8, nodes in 1..=3_u8, per_node in 1..=3_u8, f in 0..=2_usize) {
        let members = drives(zones, nodes, per_node);
        let count = 2 * f + 1;
        if members.len() < count {
            let refused = Err(ReplicasError::TooFewDrives { wanted: count, eligible: members.len() });
            prop_assert_eq!(replicas(&members, count, 1, |_| 0), refused);
            return Ok(());
        }
        let mut load = BTreeMap::<DriveId, u32>::new();
        for seed in 0..60 {
            let chosen = replicas(&members, count, seed, |id| load.get(&id).copied().unwrap_or(0)).unwrap();
            let distinct = |name: fn(&RingDrive) -> u128| {
                let drives = chosen.iter().map(|id| members.iter().find(|drive| drive.id == *id).unwrap());
                drives.map(name).collect::<BTreeSet<_>>().len()
            };
            prop_assert_eq!(distinct(|drive| drive.id.0), count);
            prop_assert_eq!(distinct(|drive| drive.node.0 >> 8), count.min(zones.into()));
            prop_assert_eq!(distinct(|drive| drive.node.0), count.min(usize::from(zones) * usize::from(nodes)));
            chosen.iter().for_each(|id| *load.entry(*id).or_default() += 1);
        }
        let (least, most) = (load.values().min().unwrap(), load.values().max().unwrap());
        prop_assert_eq!(load.len(), members.len());
        prop_assert!(most - least <= 2, "{load:?}");
    }
}

#[test]
fn a_missing_shard_is_no_excuse() {
    let ring = ring(6, &drives(1, 1, 6));
    let geometry = geometry(4, 2);
    let placement = place(&ring, chunk(1), &geometry).unwrap();
    let quorum = Quorum::new(&ring, &placement.primaries, &geometry, None).unwrap();
    assert_eq!(quorum.domain(), Some(FailureDomain::Drive));
    let mut fates: Vec<ShardFate> = placement.primaries.iter().copied().map(ShardFate::Durable).collect();
    assert_eq!(quorum.check(&ring, &fates), Ok(()));
    fates[3] = ShardFate::Missing;
    assert_eq!(quorum.check(&ring, &fates), Err(QuorumError::ShardMissing(3)));
    fates[3] = ShardFate::DriveDown;
    assert_eq!(quorum.check(&ring, &fates), Ok(()));
    fates[0] = ShardFate::DriveDown;
    assert_eq!(quorum.check(&ring, &fates), Err(QuorumError::TooFewDurable { durable: 4, fullest: 1, k: 4 }));
}

#[test]
fn writes_go_on_while_drives_are_lost() {
    for (zones, nodes, per_node, lost) in [(1, 1, 6, 1), (1, 1, 6, 2), (1, 3, 2, 1), (3, 1, 2, 1), (1, 6, 1, 2)] {
        let ring = ring(6, &drives(zones, nodes, per_node));
        let geometry = geometry(4, 2);
        for number in 0..200 {
            let placement = place(&ring, chunk(number), &geometry).unwrap();
            let quorum = Quorum::new(&ring, &placement.primaries, &geometry, None).unwrap();
            let lost = &placement.primaries[..lost];
            let mut handoffs = placement.handoffs_without(&ring, lost);
            let mut drive_of = |id: &DriveId| if lost.contains(id) { handoffs.next().unwrap() } else { *id };
            let fates: Vec<ShardFate> = placement.primaries.iter().map(|id| ShardFate::Durable(drive_of(id))).collect();
            assert_eq!(quorum.check(&ring, &fates), Ok(()), "{zones} zones, {nodes} nodes, {per_node} drives");
        }
    }
}

#[test]
fn a_chunk_wider_than_the_ring_has_no_place() {
    let ring = ring(3, &drives(1, 1, 6));
    let refused = Err(PlaceError::RingTooNarrow { shards: 6, width: 3 });
    assert_eq!(place(&ring, chunk(1), &geometry(4, 2)), refused);
}

#[test]
fn copies_of_small_blobs_load_all_drives_alike() {
    let ring = ring(6, &drives(3, 1, 2));
    let geometry = geometry(1, 2);
    let mut load = BTreeMap::<DriveId, u32>::new();
    for number in 0..12_000 {
        let placement = place(&ring, chunk(number), &geometry).unwrap();
        let zones = placement.primaries.iter().map(|id| domain(&ring, *id, FailureDomain::Zone));
        assert_eq!(zones.collect::<BTreeSet<_>>().len(), 3, "one copy in each zone");
        placement.primaries.iter().for_each(|id| *load.entry(*id).or_default() += 1);
    }
    assert!(load.values().all(|copies| (5_400..6_600).contains(copies)), "{load:?}");
}

#[test]
fn places_are_a_format() {
    let ring = ring(6, &drives(3, 2, 2));
    let placement = place(&ring, chunk(1_700_000_000_000), &geometry(4, 2)).unwrap();
    let handoffs: Vec<String> = placement.handoffs(&ring).take(2).map(|id| id.to_string()).collect();
    let expected = ["01010007000000000000000000000101", "00000207000000000000000000020000"];
    assert_eq!((placement.partition.0, &handoffs[..]), (240, &expected.map(String::from)[..]));
}
