//! What the builder refuses, and what the report and the difference of two epochs say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use couronne_ring::{
    BuildError, Dispersion, DriveId, Epoch, FailureDomain, NodeId, RegionName, RingBuilder, RingDrive, RingError,
    RingMembership, ShapesDiffer, WEIGHT_MAX, ZoneName,
};

fn drive(number: u128, node: u128, zone: &str, weight: u32) -> RingDrive {
    RingDrive {
        id: DriveId(number),
        node: NodeId(node),
        zone: ZoneName(zone.into()),
        region: RegionName("r".into()),
        weight,
        membership: RingMembership::Active,
    }
}

/// Three zones of two nodes of two drives, a ring of width 3.
fn builder() -> RingBuilder {
    let mut builder = RingBuilder::new(8, 3).unwrap();
    for number in 0..12 {
        builder.add(drive(number, number / 2, ["a", "b", "c"][usize::try_from(number / 4).unwrap()], 100)).unwrap();
    }
    builder
}

#[test]
fn operators_mistakes_are_refused() {
    let mut builder = builder();
    assert_eq!(builder.add(drive(3, 9, "a", 1)), Err(BuildError::Duplicate(DriveId(3))));
    assert_eq!(builder.add(drive(50, 1, "b", 1)), Err(BuildError::NodeInTwoZones(NodeId(1))));
    assert_eq!(builder.remove(DriveId(50)), Err(BuildError::Unknown(DriveId(50))));
    assert_eq!(builder.reweight(DriveId(50), 1), Err(BuildError::Unknown(DriveId(50))));
    let heavy = builder.reweight(DriveId(3), WEIGHT_MAX + 1);
    assert_eq!(heavy, Err(BuildError::Ring(RingError::Weight(DriveId(3)))));
    assert_eq!(RingBuilder::new(8, 0).unwrap_err(), BuildError::Ring(RingError::Shape));
    assert_eq!(RingBuilder::new(17, 3).unwrap_err(), BuildError::Ring(RingError::Shape));
}

#[test]
fn a_refused_change_changes_nothing() {
    let mut builder = builder();
    let before = builder.rebalance().unwrap();
    builder.reweight(DriveId(3), WEIGHT_MAX + 1).unwrap_err();
    let long = ZoneName("z".repeat(300).into());
    builder.add(RingDrive { zone: long, ..drive(60, 60, "", 1) }).unwrap_err();
    assert_eq!(builder.rebalance().unwrap(), before);
}

#[test]
fn too_few_drives_make_no_ring() {
    let mut builder = RingBuilder::new(4, 3).unwrap();
    builder.add(drive(1, 1, "a", 100)).unwrap();
    builder.add(drive(2, 2, "a", 100)).unwrap();
    builder.add(drive(3, 3, "a", 0)).unwrap();
    assert_eq!(builder.rebalance().unwrap_err(), BuildError::TooFewDrives { eligible: 2, width: 3 });
}

#[test]
fn the_report_shows_balance_and_dispersion() {
    let report = builder().rebalance().unwrap().report();
    assert_eq!(report.imbalance(), 0.0);
    assert_eq!(report.usable, 1.0);
    let [region, zone, node, drive] = report.dispersion;
    assert_eq!(region, Dispersion { level: FailureDomain::Region, domains: 1, fullest: 3 });
    assert_eq!(zone, Dispersion { level: FailureDomain::Zone, domains: 3, fullest: 1 });
    assert_eq!((node.domains, node.fullest, drive.domains, drive.fullest), (6, 1, 12, 1));
}

/// Spread comes before weight, and the report says what that costs.
#[test]
fn a_small_zone_costs_usable_weight() {
    let mut builder = builder();
    for number in 8..12 {
        builder.reweight(DriveId(number), 25).unwrap();
    }
    let report = builder.rebalance().unwrap().report();
    assert_eq!(report.dispersion[1].fullest, 1);
    assert!((0.33..0.34).contains(&report.usable), "{}", report.usable);
}

#[test]
fn a_drained_drive_gives_up_its_slots_and_nothing_else_moves() {
    let ring = builder().rebalance().unwrap();
    let mut builder = RingBuilder::from_ring(&ring);
    builder.set_membership(DriveId(5), RingMembership::Draining).unwrap();
    let next = builder.rebalance().unwrap();
    assert_eq!((ring.epoch(), next.epoch()), (Epoch(1), Epoch(2)));
    let moves = next.moves_from(&ring).unwrap();
    assert_eq!(moves.len(), 64);
    for step in &moves {
        assert_eq!(step.from, DriveId(5));
        assert_eq!(ring.drives(step.partition)[usize::from(step.slot)], step.from);
        assert_eq!(next.drives(step.partition)[usize::from(step.slot)], step.to);
    }
    assert!(next.drive(DriveId(5)).is_some(), "it is still read from while it drains");
}

#[test]
fn rings_of_other_shapes_cannot_be_compared() {
    let ring = builder().rebalance().unwrap();
    let mut other = RingBuilder::new(7, 3).unwrap();
    (0..3).for_each(|number| other.add(drive(number, number, "a", 1)).unwrap());
    assert_eq!(other.rebalance().unwrap().moves_from(&ring), Err(ShapesDiffer));
}
