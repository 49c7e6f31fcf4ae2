//! Generated clusters, and a model of what a ring over them should look like: written down again,
//! in fractions, apart from the builder's own arithmetic.

use std::collections::BTreeMap;

use couronne_ring::{DriveId, NodeId, RegionName, Ring, RingBuilder, RingDrive, RingMembership, ZoneName};
use proptest::prelude::*;

/// Where a generated drive stands.
pub(crate) type Site = (u8, u8, u8);

/// The drive numbered `number` at region, zone and node of `site`.
pub(crate) fn drive(number: u32, (region, zone, node): Site, weight: u32) -> RingDrive {
    RingDrive {
        id: DriveId(u128::from(number) * 0x9e37_79b9_7f4a_7c15 + 1),
        node: NodeId(u128::from(region) << 16 | u128::from(zone) << 8 | u128::from(node)),
        zone: ZoneName(format!("zone-{zone}").into()),
        region: RegionName(format!("region-{region}").into()),
        weight,
        membership: RingMembership::Active,
    }
}

/// A ring's width and 1 to 40 drives or so, at least as many as the width.
pub(crate) fn clusters() -> impl Strategy<Value = (u8, Vec<RingDrive>)> {
    let shape = (1..=2_u8, 1..=4_u8, 1..=4_u8, 1..=3_u8);
    let weights = prop_oneof![Just(100..101_u32), Just(80..120_u32), Just(10..200_u32)];
    (1..=8_u8, shape, weights).prop_flat_map(|(width, (regions, zones, nodes, drives), weights)| {
        let sites = move || {
            let grid = (0..regions).flat_map(move |r| (0..zones).flat_map(move |z| (0..nodes).map(move |n| (r, z, n))));
            grid.flat_map(move |site| std::iter::repeat_n(site, drives.into()))
        };
        let count = sites().count().max(width.into());
        prop::collection::vec(weights, count).prop_map(move |weights| {
            let places = sites().chain(std::iter::repeat((0, 0, 0)));
            let drives = weights.iter().zip(places).zip(0..).map(|((w, site), n)| drive(n, site, *w)).collect();
            (width, drives)
        })
    })
}

/// Builds a ring over these drives.
pub(crate) fn build(partition_bits: u8, width: u8, drives: &[RingDrive]) -> Ring {
    let mut builder = RingBuilder::new(partition_bits, width).unwrap();
    drives.iter().for_each(|drive| builder.add(drive.clone()).unwrap());
    builder.rebalance().unwrap()
}

/// Slots per drive.
pub(crate) fn slots(ring: &Ring) -> BTreeMap<DriveId, u64> {
    let mut slots = BTreeMap::new();
    ring.partitions().flat_map(|partition| ring.drives(partition)).for_each(|id| *slots.entry(*id).or_default() += 1);
    slots
}

/// What the model says of one domain: its name, the most slots of one partition it may hold, and
/// the slots it should hold.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// Region, zone, node, drive, as far down as the domain goes.
    pub(crate) name: Vec<u128>,
    /// The most slots of a partition.
    pub(crate) cap: usize,
    /// Slots over the whole table.
    pub(crate) slots: f64,
}

/// The name of a drive's domains, widest first.
pub(crate) fn names(drive: &RingDrive) -> [u128; 4] {
    let number = |name: &str| u128::from(name.bytes().last().unwrap());
    [number(&drive.region.0), number(&drive.zone.0), drive.node.0, drive.id.0]
}

/// The model: from the root down, caps as even as the drives allow, slots by weight up to the cap.
pub(crate) fn expectations(drives: &[RingDrive], partitions: f64, width: usize) -> Vec<Expected> {
    let eligible: Vec<&RingDrive> = drives.iter().filter(|drive| drive.is_eligible()).collect();
    let mut out = Vec::new();
    split(&eligible, 0, &Expected { name: vec![], cap: width, slots: partitions * width as f64 }, partitions, &mut out);
    out
}

fn split(drives: &[&RingDrive], depth: usize, parent: &Expected, partitions: f64, out: &mut Vec<Expected>) {
    if depth == 4 {
        return;
    }
    let mut children = BTreeMap::<u128, Vec<&RingDrive>>::new();
    drives.iter().for_each(|drive| children.entry(names(drive)[depth]).or_default().push(drive));
    let mut level = 0;
    while children.values().map(|drives| drives.len().min(level)).sum::<usize>() < parent.cap {
        level += 1;
    }
    let weight = |drives: &[&RingDrive]| drives.iter().map(|drive| f64::from(drive.weight)).sum::<f64>();
    // Bisect the slots per weight at which the capped children together hold all of the parent's.
    let (mut low, mut high) = (0.0, parent.slots);
    let held =
        |rate: f64, drives: &[&RingDrive]| (rate * weight(drives)).min(drives.len().min(level) as f64 * partitions);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        let total: f64 = children.values().map(|drives| held(middle, drives)).sum();
        if total < parent.slots { low = middle } else { high = middle }
    }
    for (number, drives) in children {
        let name = parent.name.iter().copied().chain([number]).collect();
        let child = Expected { name, cap: drives.len().min(level), slots: held(high, &drives) };
        split(&drives, depth + 1, &child, partitions, out);
        out.push(child);
    }
}
