//! Rings over generated clusters: balance, spread, least movement, determinism.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod flow;
mod model;

use std::collections::{BTreeMap, BTreeSet};

use couronne_base::codec;
use couronne_ring::{Partition, Ring, RingBuilder, RingDrive, RingMembership};
use flow::Flow;
use model::{build, clusters, drive, expectations, names, slots};
use proptest::prelude::*;

const BITS: u8 = 10;

/// Every drive holds its share, and no domain holds more of a partition than it must.
fn check_quality(ring: &Ring) -> Result<(), TestCaseError> {
    let drives: Vec<RingDrive> = ring.all_drives().map(|(drive, _)| drive.clone()).collect();
    let expected = expectations(&drives, f64::from(ring.partition_count()), ring.width().into());
    let held = slots(ring);
    for domain in &expected {
        if let [.., drive] = domain.name[..]
            && domain.name.len() == 4
        {
            let held = held.get(&couronne_ring::DriveId(drive)).copied().unwrap_or(0) as f64;
            // One slot of rounding at each of the four levels.
            prop_assert!(
                (held - domain.slots).abs() <= 4.0 + 0.01 * domain.slots,
                "{held} instead of {}",
                domain.slots
            );
        }
    }
    let caps: BTreeMap<&[u128], usize> = expected.iter().map(|domain| (&domain.name[..], domain.cap)).collect();
    for partition in ring.partitions() {
        for (domain, count) in crowds(ring, partition) {
            prop_assert!(count <= caps[&domain[..]], "{count} of partition {partition:?} in {domain:?}");
        }
    }
    Ok(())
}

/// How many slots of a partition each domain holds.
fn crowds(ring: &Ring, partition: Partition) -> BTreeMap<Vec<u128>, usize> {
    let mut crowds = BTreeMap::new();
    for id in ring.drives(partition) {
        let names = names(ring.drive(*id).unwrap());
        (1..=4).for_each(|depth| *crowds.entry(names[..depth].to_vec()).or_default() += 1);
    }
    crowds
}

/// The least slots that have to move from `old` for drives to hold as many as they do in `new`,
/// within the caps: a flow from partitions through their domains to drives, which costs 1 for each
/// slot on a drive that did not have it.
fn moves_min(old: &Ring, new: &Ring) -> i64 {
    let drives: Vec<RingDrive> = new.all_drives().map(|(drive, _)| drive.clone()).collect();
    let expected = expectations(&drives, f64::from(new.partition_count()), new.width().into());
    let held = slots(new);
    let mut flow = Flow::default();
    let (source, sink) = (flow.vertex(), flow.vertex());
    let at_drive: BTreeMap<u128, usize> = drives.iter().map(|drive| (drive.id.0, flow.vertex())).collect();
    for (id, slots) in &held {
        flow.edge(at_drive[&id.0], sink, *slots as i64, 0);
    }
    for partition in new.partitions() {
        let root = flow.vertex();
        flow.edge(source, root, i64::from(new.width()), 0);
        let mut vertices = BTreeMap::from([(vec![], root)]);
        let mut domains = expected.clone();
        domains.sort_by_key(|domain| domain.name.len());
        for domain in domains {
            let parent = vertices[&domain.name[..domain.name.len() - 1]];
            let cap = i64::try_from(domain.cap).unwrap();
            if let [_, _, _, id] = domain.name[..] {
                let stays = old.drives(partition).contains(&couronne_ring::DriveId(id));
                flow.edge(parent, at_drive[&id], cap, i64::from(!stays));
            } else {
                let vertex = flow.vertex();
                flow.edge(parent, vertex, cap, 0);
                vertices.insert(domain.name, vertex);
            }
        }
    }
    let (amount, cost) = flow.cheapest(source, sink);
    assert_eq!(amount, i64::from(new.partition_count()) * i64::from(new.width()));
    cost
}

/// What an operator does to a cluster.
#[derive(Clone, Debug)]
enum Change {
    AddDrive(prop::sample::Index, u32),
    AddNode(prop::sample::Index, u8, u32),
    Remove(prop::sample::Index),
    RemoveNode(prop::sample::Index),
    Drain(prop::sample::Index),
    Reweight(prop::sample::Index, u32),
}

fn changes() -> impl Strategy<Value = Change> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        (which(), 50..200_u32).prop_map(|(at, weight)| Change::AddDrive(at, weight)),
        (which(), 1..4_u8, 50..200_u32).prop_map(|(at, count, weight)| Change::AddNode(at, count, weight)),
        which().prop_map(Change::Remove),
        which().prop_map(Change::RemoveNode),
        which().prop_map(Change::Drain),
        (which(), 50..200_u32).prop_map(|(at, weight)| Change::Reweight(at, weight)),
    ]
}

/// Applies a change; `number` names what it adds.
fn change(ring: &Ring, change: &Change, number: u8) -> RingBuilder {
    let mut builder = RingBuilder::from_ring(ring);
    let drives: Vec<RingDrive> = ring.all_drives().map(|(drive, _)| drive.clone()).collect();
    let fresh = |number: u32, like: &RingDrive, weight| RingDrive {
        node: like.node,
        zone: like.zone.clone(),
        region: like.region.clone(),
        ..drive(number, (0, 0, 0), weight)
    };
    match change {
        Change::AddDrive(at, weight) => builder.add(fresh(1000 + u32::from(number), at.get(&drives), *weight)).unwrap(),
        Change::AddNode(at, count, weight) => {
            for n in 0..*count {
                let mut added = fresh(2000 + 10 * u32::from(number) + u32::from(n), at.get(&drives), *weight);
                added.node = couronne_ring::NodeId(1 << 32 | u128::from(number));
                builder.add(added).unwrap();
            }
        }
        Change::Remove(at) => drop(builder.remove(at.get(&drives).id).unwrap()),
        Change::RemoveNode(at) => {
            let node = at.get(&drives).node;
            drives.iter().filter(|drive| drive.node == node).for_each(|drive| drop(builder.remove(drive.id).unwrap()));
        }
        Change::Drain(at) => builder.set_membership(at.get(&drives).id, RingMembership::Draining).unwrap(),
        Change::Reweight(at, weight) => builder.reweight(at.get(&drives).id, *weight).unwrap(),
    }
    builder
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn new_rings_are_balanced_and_spread((width, drives) in clusters()) {
        let ring = build(BITS, width, &drives);
        check_quality(&ring)?;
        prop_assert_eq!(&ring, &build(BITS, width, &drives), "the same drives give the same ring");
        let again = RingBuilder::from_ring(&ring).rebalance().unwrap();
        prop_assert_eq!(again.moves_from(&ring).unwrap(), vec![], "nothing changed, nothing moves");
    }

    #[test]
    fn changes_move_little((width, drives) in clusters(), changes in prop::collection::vec(changes(), 1..4)) {
        let mut ring = build(6, width, &drives);
        for (number, step) in (0..).zip(&changes) {
            let Ok(next) = change(&ring, step, number).rebalance() else { continue };
            check_quality(&next)?;
            let moves = next.moves_from(&ring).unwrap();
            let least = moves_min(&ring, &next);
            prop_assert!(moves.len() as f64 <= 1.05 * least as f64 + 1.0, "{} moves where {least} do: {step:?}", moves.len());
            ring = next;
        }
    }

    #[test]
    fn encoded_rings_come_back((width, drives) in clusters()) {
        let ring = build(4, width, &drives);
        prop_assert_eq!(codec::decode(&codec::encode(&ring)), Ok(ring));
    }
}

#[test]
fn rebuilding_spreads_over_many_drives() {
    let drives: Vec<RingDrive> = (0..60).map(|n| drive(n, (0, 0, (n / 3) as u8), 100)).collect();
    let ring = build(12, 6, &drives);
    let dead = drives[0].id;
    let members = ring.partitions().map(|partition| ring.drives(partition)).filter(|members| members.contains(&dead));
    let peers: BTreeSet<_> = members.flatten().collect();
    assert!(peers.len() > 45, "{} drives help to rebuild one", peers.len());
}
