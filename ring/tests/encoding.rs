//! Rings as bytes: the format, fixed by bytes that another program made, and bytes that are no ring.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use bytes::Bytes;
use couronne_base::codec;
use couronne_ring::{DriveId, NodeId, Partition, RegionName, Ring, RingBuilder, RingDrive, RingMembership, ZoneName};
use proptest::prelude::*;

/// A ring of five drives, one of them draining, and eight partitions of three.
const GOLDEN: &[u8] = include_bytes!("golden/ring.bin");

fn decode(bytes: &[u8]) -> Result<Ring, codec::Corrupt> {
    codec::decode(&Bytes::copy_from_slice(bytes))
}

fn sample() -> Ring {
    let mut builder = RingBuilder::new(3, 3).unwrap();
    for n in 1..=5_u32 {
        let drive = RingDrive {
            id: DriveId(u128::from(n) << 96 | 0xd1),
            node: NodeId(u128::from(n / 2)),
            zone: ZoneName(format!("zone-{}", n / 2).into()),
            region: RegionName("nord".into()),
            weight: 100 * n,
            membership: RingMembership::Active,
        };
        builder.add(drive).unwrap();
    }
    let ring = builder.rebalance().unwrap();
    let mut builder = RingBuilder::from_ring(&ring);
    builder.set_membership(DriveId(4 << 96 | 0xd1), RingMembership::Draining).unwrap();
    builder.rebalance().unwrap()
}

#[test]
fn the_format_is_read_and_written() {
    let ring = decode(GOLDEN).unwrap();
    assert_eq!(codec::encode(&ring), GOLDEN);
    assert_eq!((ring.epoch().0, ring.partition_count(), ring.width()), (2, 8, 3));
    let draining = ring.drive(DriveId(4 << 96 | 0xd1)).unwrap();
    assert_eq!((draining.weight, draining.membership, &*draining.zone.0), (400, RingMembership::Draining, "zone-2"));
    let first: Vec<u128> = ring.drives(Partition(0)).iter().map(|id| id.0 >> 96).collect();
    assert_eq!(first.len(), 3);
    assert!(first.iter().all(|n| [1, 2, 3, 5].contains(n)), "{first:?}");
    assert_eq!(ring, sample(), "the builder still makes the same ring");
}

#[test]
fn a_slot_takes_two_bytes() {
    let drives = |count: u32| {
        let mut builder = RingBuilder::new(10, 6).unwrap();
        for n in 0..count {
            let (zone, region) = (ZoneName("zone".into()), RegionName("region".into()));
            let (id, node) = (DriveId(u128::from(n)), NodeId(u128::from(n)));
            let membership = RingMembership::Active;
            builder.add(RingDrive { id, node, zone, region, weight: 1, membership }).unwrap();
        }
        codec::encode(&builder.rebalance().unwrap()).len()
    };
    let table = 2 * 6 * 1024;
    assert!((table..table + 12 * 64).contains(&drives(12)), "{}", drives(12));
}

#[test]
fn what_is_cut_off_is_refused() {
    for at in 0..GOLDEN.len() {
        decode(&GOLDEN[..at]).unwrap_err();
    }
    let later = [GOLDEN, &[9, 1, 0]].concat();
    assert_eq!(decode(&later), decode(GOLDEN), "a later release may say more");
}

#[test]
fn partitions_are_the_topmost_bits() {
    let ring = sample();
    assert_eq!(ring.partition_of(0), Partition(0));
    assert_eq!(ring.partition_of(u64::MAX), Partition(7));
    assert_eq!(ring.partition_of(0x2000_0000_0000_0000), Partition(1));
    assert_eq!(ring.drives(Partition(8)), &[]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_ring_or_an_error(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&body);
        let _ = decode(&[&[1], &body[..]].concat());
    }

    #[test]
    fn altered_bytes_are_a_valid_ring_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = GOLDEN.to_vec();
        changes.iter().for_each(|(at, value)| *at.get_mut(&mut bytes) = *value);
        if let Ok(ring) = decode(&bytes) {
            for partition in ring.partitions() {
                let mut drives = ring.drives(partition).to_vec();
                drives.sort_unstable();
                drives.dedup();
                prop_assert_eq!(drives.len(), usize::from(ring.width()));
                prop_assert!(drives.iter().all(|drive| ring.drive(*drive).is_some()));
            }
            prop_assert_eq!(decode(&codec::encode(&ring)), Ok(ring));
        }
    }
}
