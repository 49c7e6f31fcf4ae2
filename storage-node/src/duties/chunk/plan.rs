//! What would make a chunk better: which shards to put where, which copies to delete.
//!
//! A shard belongs on its primary. While that is lost it belongs on a handoff: on a drive without any
//! shard of the chunk if there is one, also if another had to do before. A copy off its primary goes only once the
//! primary has the shard.
//! Promises: nothing planned leaves fewer shards alive; a chunk for which nothing is planned is as good
//! as it can be with the drives that serve. Pure. Must not know: messages.

use std::collections::{BTreeMap, BTreeSet};

use couronne_base::mutant;
use couronne_placement::Placement;
use couronne_ring::{DriveId, FailureDomain, Ring};

use super::super::snapshot::DriveSnapshot;

/// Where the shards of a chunk are, as far as drives that serve have said.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// The drives that hold each shard, by number.
    pub(super) places: Vec<BTreeSet<DriveId>>,
    /// Drives that did not answer: what they hold is not known.
    pub(super) silent: BTreeSet<DriveId>,
    /// Drives that do not take shards.
    pub(super) refusing: BTreeSet<DriveId>,
    /// Shards that were read and verified where they lie.
    pub(super) read: BTreeSet<(u8, DriveId)>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Shards to put, and where.
    pub(super) puts: Vec<(u8, DriveId)>,
    /// Copies to delete: their primaries have the shard.
    pub(super) strays: Vec<(u8, DriveId)>,
}

impl Plan {
    pub(super) const fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.strays.is_empty()
    }
}

impl Found {
    /// Shards that are somewhere.
    pub(super) fn alive(&self) -> usize {
        self.places.iter().filter(|places| !places.is_empty()).count()
    }

    /// How many more losses the chunk of `k` data shards survives, whichever they are: of nodes, if its
    /// primaries are each on a node of its own, else of drives. Below zero it lacks so many shards.
    pub(super) fn survives(&self, ring: &Ring, placement: &Placement, k: u8) -> i16 {
        let spare = i16::try_from(self.alive()).unwrap_or(i16::MAX) - i16::from(k);
        let level = if placement.is_spread(ring) { FailureDomain::Node } else { FailureDomain::Drive };
        let domain = |drive: &DriveId| ring.domains(*drive).map(|path| path.at(level));
        let mut held: BTreeMap<Option<u16>, i16> = BTreeMap::new();
        // Of copies one counts, where fewest shards are: the others may go with it.
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_by_key(|places| places.len());
        for places in places {
            let domains = places.iter().map(domain);
            let Some(emptiest) = domains.min_by_key(|domain| held.get(domain).copied()) else { continue };
            *held.entry(emptiest).or_default() += 1;
        }
        let mut held: Vec<i16> = held.into_values().collect();
        held.sort_unstable_by(|one, other| other.cmp(one));
        let (mut left, mut losses) = (spare, 0);
        for fullest in held {
            left -= fullest;
            if left < 0 {
                break;
            }
            losses += 1;
        }
        if spare < 0 { spare } else { losses }
    }

    /// Whether every shard is on its primary, and nowhere else that is known.
    pub(super) fn is_whole(&self, placement: &Placement) -> bool {
        let is_home = |(places, primary): (&BTreeSet<DriveId>, &DriveId)| places.len() == 1 && places.contains(primary);
        self.places.iter().zip(&placement.primaries).all(is_home)
    }

    pub(super) fn add(&mut self, number: u8, drive: DriveId) {
        if let Some(places) = self.places.get_mut(usize::from(number)) {
            places.insert(drive);
        }
    }

    pub(super) fn remove(&mut self, number: u8, drive: DriveId) {
        self.read.remove(&(number, drive));
        if let Some(places) = self.places.get_mut(usize::from(number)) {
            places.remove(&drive);
        }
    }
}

/// Plans for a chunk of `k` data shards.
pub(super) fn plan(ring: &Ring, placement: &Placement, snapshot: &DriveSnapshot, found: &Found, k: u8) -> Plan {
    let mut plan = Plan::default();
    let can_rebuild = found.alive() >= usize::from(k);
    let takes = |drive: &DriveId| {
        snapshot.up.contains(drive)
            && !snapshot.unwritable.contains(drive)
            && !found.silent.contains(drive)
            && !found.refusing.contains(drive)
    };
    let mut holding: BTreeSet<DriveId> = found.places.iter().flatten().copied().collect();
    let is_shared = |number: u8, drive: &DriveId| {
        (0u8..).zip(&found.places).any(|(other, places)| other != number && places.contains(drive))
    };
    let (mut homeless, mut crowded) = (Vec::new(), Vec::new());
    for ((number, primary), places) in (0u8..).zip(&placement.primaries).zip(&found.places) {
        if places.contains(primary) || (mutant!(DropHandoffEarly) && snapshot.up.contains(primary)) {
            plan.strays.extend(places.iter().filter(|place| *place != primary).map(|place| (number, *place)));
        } else if snapshot.up.contains(primary) {
            if takes(primary) && (can_rebuild || !places.is_empty()) {
                plan.puts.push((number, *primary));
                holding.insert(*primary);
            }
        } else if places.is_empty() && can_rebuild && snapshot.lost.contains(primary) {
            homeless.push(number);
        } else if !places.is_empty()
            && snapshot.lost.contains(primary)
            && places.iter().all(|place| is_shared(number, place))
        {
            crowded.push(number);
        }
    }
    if homeless.is_empty() && crowded.is_empty() {
        return plan;
    }
    let handoffs: Vec<DriveId> = placement.handoffs_without(ring, &snapshot.away(ring)).filter(takes).collect();
    for (turn, number) in homeless.into_iter().enumerate() {
        let free = handoffs.iter().find(|drive| !holding.contains(drive));
        // With fewer drives than shards some hold two; not all the same one.
        let doubled = || turn.checked_rem(handoffs.len()).and_then(|place| handoffs.get(place));
        if let Some(drive) = free.or_else(doubled) {
            plan.puts.push((number, *drive));
            holding.insert(*drive);
        }
    }
    for number in crowded {
        if let Some(drive) = handoffs.iter().find(|drive| !holding.contains(drive)) {
            plan.puts.push((number, *drive));
            holding.insert(*drive);
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use couronne_placement::{Binding, BlobId, ChunkId, Geometry, place};
    use couronne_ring::{NodeId, RegionName, RingBuilder, RingDrive, RingMembership, ZoneName};
    use proptest::prelude::*;

    use super::*;

    const K: u8 = 4;

    fn ring(drives: u128) -> Ring {
        let mut builder = RingBuilder::new(6, 6).unwrap();
        for id in 0..drives {
            let (zone, region) = (ZoneName(format!("z{id}").into()), RegionName("r".into()));
            let membership = RingMembership::Active;
            builder.add(RingDrive { id: DriveId(id), node: NodeId(id), zone, region, weight: 1, membership }).unwrap();
        }
        builder.rebalance().unwrap()
    }

    fn placed(ring: &Ring, seed: u8) -> Placement {
        let chunk = ChunkId { blob: BlobId::new(1, [seed; 10], Binding::to(b"bucket", b"key")), index: 0 };
        place(ring, chunk, &Geometry::new(K, 2, 1 << 20).unwrap()).unwrap()
    }

    fn snapshot(ring: &Ring, away: &BTreeSet<DriveId>, lost: bool) -> DriveSnapshot {
        let up = ring.all_drives().map(|(drive, _)| drive.id).filter(|drive| !away.contains(drive)).collect();
        let lost = away.iter().filter(|_| lost).copied().collect();
        DriveSnapshot { up, lost, ..DriveSnapshot::default() }
    }

    /// All shards at home, seen from drives that serve.
    fn at_home(placement: &Placement, snapshot: &DriveSnapshot) -> Found {
        let seen = |primary: &DriveId| snapshot.up.get(primary).copied().into_iter().collect();
        Found { places: placement.primaries.iter().map(seen).collect(), ..Found::default() }
    }

    /// Carries a plan out one step at a time: each must leave as many shards alive as there were.
    fn carry_out(plan: &Plan, found: &mut Found, placement: &Placement) {
        for (number, drive) in &plan.puts {
            let alive = found.alive();
            found.add(*number, *drive);
            assert!(found.alive() >= alive);
        }
        for (number, drive) in &plan.strays {
            let places = &found.places[usize::from(*number)];
            let primary = placement.primaries[usize::from(*number)];
            assert!(places.contains(&primary) && *drive != primary, "a stray went before its primary had the shard");
            found.remove(*number, *drive);
        }
    }

    #[test]
    fn a_drive_within_its_grace_is_waited_for_and_a_lost_one_is_not() {
        let ring = ring(7);
        let placement = placed(&ring, 1);
        let away: BTreeSet<DriveId> = [placement.primaries[2]].into();
        let waiting = snapshot(&ring, &away, false);
        assert!(plan(&ring, &placement, &waiting, &at_home(&placement, &waiting), K).is_empty());

        let lost = snapshot(&ring, &away, true);
        let mut found = at_home(&placement, &lost);
        let planned = plan(&ring, &placement, &lost, &found, K);
        let spare = ring.all_drives().map(|(drive, _)| drive.id).find(|id| !placement.primaries.contains(id)).unwrap();
        assert_eq!(planned, Plan { puts: vec![(2, spare)], strays: Vec::new() });
        carry_out(&planned, &mut found, &placement);
        assert!(plan(&ring, &placement, &lost, &found, K).is_empty());

        // It is back, emptied: its shard comes home first, then the copy goes.
        let back = snapshot(&ring, &BTreeSet::new(), true);
        let planned = plan(&ring, &placement, &back, &found, K);
        assert_eq!(planned, Plan { puts: vec![(2, placement.primaries[2])], strays: Vec::new() });
        carry_out(&planned, &mut found, &placement);
        let planned = plan(&ring, &placement, &back, &found, K);
        assert_eq!(planned, Plan { puts: Vec::new(), strays: vec![(2, spare)] });
        carry_out(&planned, &mut found, &placement);
        assert!(found.is_whole(&placement));
    }

    #[test]
    fn two_lost_drives_of_six_are_made_up_for_on_two_of_the_others() {
        let ring = ring(6);
        let placement = placed(&ring, 1);
        let away: BTreeSet<DriveId> = placement.primaries[..2].iter().copied().collect();
        let lost = snapshot(&ring, &away, true);
        let planned = plan(&ring, &placement, &lost, &at_home(&placement, &lost), K);
        let targets: BTreeSet<DriveId> = planned.puts.iter().map(|(_, drive)| *drive).collect();
        assert_eq!((planned.puts.len(), targets.len()), (2, 2));
        let mut found = at_home(&placement, &lost);
        assert_eq!(found.survives(&ring, &placement, K), 0);
        carry_out(&planned, &mut found, &placement);
        assert_eq!(found.survives(&ring, &placement, K), 1, "two drives hold two shards each");
    }

    /// While the drive was away that has none of the chunk's shards, another one took a second.
    #[test]
    fn a_second_shard_on_a_drive_is_spread_once_there_is_a_free_one() {
        let ring = ring(7);
        let placement = placed(&ring, 1);
        let spare = ring.all_drives().map(|(drive, _)| drive.id).find(|id| !placement.primaries.contains(id)).unwrap();
        let lost = BTreeSet::from([placement.primaries[2]]);
        let both = snapshot(&ring, &BTreeSet::from([placement.primaries[2], spare]), true);
        let mut found = at_home(&placement, &both);
        carry_out(&plan(&ring, &placement, &both, &found, K), &mut found, &placement);
        assert_eq!(found.survives(&ring, &placement, K), 1, "one drive holds two");
        assert!(plan(&ring, &placement, &both, &found, K).is_empty());

        let back = snapshot(&ring, &lost, true);
        let planned = plan(&ring, &placement, &back, &found, K);
        assert_eq!(planned, Plan { puts: vec![(2, spare)], strays: Vec::new() });
        carry_out(&planned, &mut found, &placement);
        assert_eq!(found.survives(&ring, &placement, K), 2);
        assert!(plan(&ring, &placement, &back, &found, K).is_empty());
    }

    /// The node of a drive was expelled: a shard belongs elsewhere from then on, and what is there is whole.
    #[test]
    fn a_drive_that_is_gone_is_made_up_for_by_another() {
        let ring = ring(7);
        let placed = placed(&ring, 1);
        let gone = placed.primaries[2];
        let placement = placed.made_up_for(&ring, &[gone]);
        let lost = snapshot(&ring, &BTreeSet::from([gone]), true);
        let mut found = at_home(&placed, &lost);
        for _ in 0..2 {
            carry_out(&plan(&ring, &placement, &lost, &found, K), &mut found, &placement);
        }
        assert!(found.is_whole(&placement) && !found.is_whole(&placed));
        assert_eq!(found.survives(&ring, &placed, K), 2);
        let all_but_three: Vec<DriveId> = placed.primaries.iter().skip(3).copied().collect();
        let few = placed.made_up_for(&ring, &all_but_three);
        let kept = few.primaries.iter().filter(|drive| all_but_three.contains(drive)).count();
        assert_eq!(kept, 2, "one drive is free for three shards: none is given two");
    }

    #[test]
    fn what_cannot_be_rebuilt_is_left_alone() {
        let ring = ring(8);
        let placement = placed(&ring, 1);
        let away: BTreeSet<DriveId> = placement.primaries[..3].iter().copied().collect();
        let lost = snapshot(&ring, &away, true);
        let found = at_home(&placement, &lost);
        assert!(plan(&ring, &placement, &lost, &found, K).is_empty());
        assert_eq!(found.survives(&ring, &placement, K), -1);
    }

    proptest! {
        /// Shards anywhere, drives away in any way: after repair nothing is left to do, nothing was lost
        /// on the way, and each shard is where it can be.
        #[test]
        fn repair_ends_as_good_as_can_be(
            drives in 6u128..12,
            seed in 0u8..255,
            away in proptest::collection::btree_set(0u128..12, 0..6),
            lost in proptest::bool::ANY,
            places in proptest::collection::vec(proptest::collection::btree_set(0u128..12, 0..3), 6),
        ) {
            let ring = ring(drives);
            let placement = placed(&ring, seed);
            let away: BTreeSet<DriveId> = away.into_iter().map(DriveId).collect();
            let snapshot = snapshot(&ring, &away, lost);
            let seen = |places: BTreeSet<u128>| places.into_iter().map(DriveId).filter(|d| snapshot.up.contains(d)).collect();
            let mut found = Found { places: places.into_iter().map(seen).collect(), ..Found::default() };
            let before = found.alive();
            for _ in 0..3 {
                let planned = plan(&ring, &placement, &snapshot, &found, K);
                carry_out(&planned, &mut found, &placement);
            }
            prop_assert!(plan(&ring, &placement, &snapshot, &found, K).is_empty());
            prop_assert!(found.alive() >= before);
            if before >= usize::from(K) && !snapshot.up.is_empty() {
                for (number, primary) in placement.primaries.iter().enumerate() {
                    let places = &found.places[number];
                    if snapshot.up.contains(primary) {
                        prop_assert_eq!(places, &BTreeSet::from([*primary]));
                    } else if lost {
                        prop_assert!(!places.is_empty());
                    }
                }
            }
        }
    }
}
