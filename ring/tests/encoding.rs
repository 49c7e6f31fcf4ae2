//! Rings as bytes: the released format, and bytes that are no ring.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use couronne_ring::{
    DecodeError, DriveId, DriveState, NodeId, Partition, RegionName, Ring, RingBuilder, RingDrive, ZoneName,
};
use proptest::prelude::*;

const GOLDEN_V1: &[u8] = include_bytes!("fixtures/ring-v1.bin");

/// The ring of the fixture: five drives, one of them draining, eight partitions of three.
fn sample() -> Ring {
    let mut builder = RingBuilder::new(3, 3).unwrap();
    for n in 1..=5_u32 {
        let id = DriveId(u128::from(n) << 96 | 0xd1);
        let (node, zone) = (NodeId(u128::from(n / 2)), ZoneName(format!("zone-{}", n / 2).into()));
        let drive =
            RingDrive { id, node, zone, region: RegionName("nord".into()), weight: 100 * n, state: DriveState::Active };
        builder.add(drive).unwrap();
    }
    let ring = builder.rebalance().unwrap();
    let mut builder = RingBuilder::from_ring(&ring);
    builder.set_state(DriveId(4 << 96 | 0xd1), DriveState::Draining).unwrap();
    builder.rebalance().unwrap()
}

#[test]
fn version_1_is_read_and_written() {
    let ring = Ring::from_bytes(GOLDEN_V1).unwrap();
    assert_eq!(ring.to_bytes(), GOLDEN_V1);
    assert_eq!((ring.epoch().0, ring.partition_count(), ring.width()), (2, 8, 3));
    let draining = ring.drive(DriveId(4 << 96 | 0xd1)).unwrap();
    assert_eq!((draining.weight, draining.state, &*draining.zone.0), (400, DriveState::Draining, "zone-2"));
    let first: Vec<u128> = ring.drives(Partition(0)).iter().map(|id| id.0 >> 96).collect();
    assert_eq!(first.len(), 3);
    assert!(first.iter().all(|n| [1, 2, 3, 5].contains(n)), "{first:?}");
    assert_eq!(ring, sample(), "the builder still makes the same ring");
}

#[test]
fn every_changed_byte_is_noticed() {
    for at in 0..GOLDEN_V1.len() {
        let mut bytes = GOLDEN_V1.to_vec();
        bytes[at] ^= 0x10;
        Ring::from_bytes(&bytes).unwrap_err();
        Ring::from_bytes(&GOLDEN_V1[..at]).unwrap_err();
    }
    let longer = [GOLDEN_V1, &[0]].concat();
    assert_eq!(Ring::from_bytes(&longer), Err(DecodeError::Length));
}

#[test]
fn partitions_are_the_topmost_bits() {
    let ring = sample();
    assert_eq!(ring.partition_of(0), Partition(0));
    assert_eq!(ring.partition_of(u64::MAX), Partition(7));
    assert_eq!(ring.partition_of(0x2000_0000_0000_0000), Partition(1));
    assert_eq!(ring.drives(Partition(8)), &[]);
}

/// Puts a right length and checksum on any body, so that what lies behind them is tried too.
fn seal(body: &[u8]) -> Vec<u8> {
    let mut bytes = [&b"COURRING\x00\x01"[..], &u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    let crc = couronne_base::crc::of(&bytes);
    bytes.extend(crc.to_be_bytes());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_ring_or_an_error(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Ring::from_bytes(&body);
        let _ = Ring::from_bytes(&seal(&body));
    }

    #[test]
    fn a_wrong_body_is_a_ring_or_an_error(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut body = GOLDEN_V1[14..GOLDEN_V1.len() - 8].to_vec();
        *at.get_mut(&mut body) = value;
        if let Ok(ring) = Ring::from_bytes(&seal(&body)) {
            prop_assert_eq!(ring.to_bytes(), seal(&body));
        }
    }
}
