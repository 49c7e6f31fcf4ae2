//! The table while it is being rebalanced: which drive holds which slot, and the greedy passes.
//!
//! Each pass keeps every partition within the caps of the domain tree. Wherever a choice is free,
//! a fixed hash makes it, so that a drive's partitions are shared with many other drives (a dead
//! drive is rebuilt from many) and the result is the same on every machine.
#![expect(clippy::indexing_slicing, reason = "all indices are drive, slot and domain numbers made by the builder")]

use std::cmp::Reverse;

use crate::tree::DomainTree;

/// The drive that holds a slot, as a number of the builder's eligible drives.
pub(crate) type Slot = Option<usize>;

/// The table, what it was before, and what each drive holds and should hold.
#[derive(Debug)]
pub(crate) struct Assignment {
    tree: DomainTree,
    /// `width` slots for each partition.
    slots: Vec<Slot>,
    before: Vec<Slot>,
    /// For each drive, its slots less its target.
    excess: Vec<i64>,
    /// For each domain, the slots it holds of the partition looked at; all zero between partitions.
    held: Vec<usize>,
}

impl Assignment {
    /// Starts from the table `slots`.
    pub(crate) fn new(tree: DomainTree, slots: Vec<Slot>) -> Self {
        let mut excess: Vec<i64> =
            (0..tree.drive_count()).map(|drive| -i64::try_from(tree.target(drive)).unwrap_or(i64::MAX)).collect();
        for drive in slots.iter().flatten() {
            excess[*drive] += 1;
        }
        let held = vec![0; tree.domain_count()];
        Self { tree, before: slots.clone(), slots, excess, held }
    }

    /// Empties the slots that break a cap: domains were added or taken away. The drives that hold
    /// the least above their share keep theirs.
    pub(crate) fn shed(&mut self) {
        for partition in self.partitions_shuffled() {
            let mut members: Vec<(i64, u64, usize, usize)> = self
                .slot_range(partition)
                .filter_map(|slot| {
                    self.slots[slot].map(|drive| (self.excess[drive], mix(partition, drive), slot, drive))
                })
                .collect();
            members.sort_unstable();
            for (_, _, slot, drive) in members {
                if self.has_room(drive) {
                    self.hold(drive);
                } else {
                    self.set(slot, None);
                }
            }
            self.leave(partition);
        }
    }

    /// Fills empty slots, each with the best drive there is room for.
    ///
    /// The caps leave room for a drive as long as a slot is empty, so none stays empty.
    pub(crate) fn fill(&mut self) {
        for partition in self.partitions_shuffled() {
            self.enter(partition);
            for slot in self.slot_range(partition) {
                if self.slots[slot].is_none()
                    && let Some(drive) = self.best(partition, |drive| self.has_room(drive))
                {
                    self.set(slot, Some(drive));
                    self.hold(drive);
                }
            }
            self.leave(partition);
        }
    }

    /// Moves slots from drives above their share straight to drives below it: first where that
    /// moves no more than was moved already, then anywhere.
    pub(crate) fn level(&mut self) {
        for free_only in [true, false] {
            for partition in self.partitions_shuffled() {
                self.enter(partition);
                let mut slots: Vec<usize> = self.slot_range(partition).collect();
                slots.sort_by_key(|slot| self.slots[*slot].map(|drive| Reverse(self.surplus(drive))));
                for slot in slots {
                    self.level_slot(partition, slot, free_only);
                }
                self.leave(partition);
            }
        }
    }

    fn level_slot(&mut self, partition: usize, slot: usize, free_only: bool) {
        let Some(from) = self.slots[slot].filter(|drive| self.excess[*drive] > 0) else { return };
        self.release(from);
        let is_free = |to: usize| self.held_before(partition, to) || !self.held_before(partition, from);
        let may = |to: usize| self.excess[to] < 0 && self.has_room(to) && (!free_only || is_free(to));
        let to = self.best(partition, may).unwrap_or(from);
        self.set(slot, Some(to));
        self.hold(to);
    }

    /// The best of the drives that `may` take a slot of the partition looked at: below its share
    /// if any is, then in the domains that hold the least of the partition (the caps alone would
    /// allow two and two and none where one each is possible), then furthest below its share.
    fn best(&self, partition: usize, may: impl Fn(usize) -> bool) -> Option<usize> {
        let rank = |drive: &usize| {
            let crowd = self.tree.path(*drive).map(|domain| self.held[domain]);
            (self.excess[*drive] >= 0, crowd, self.surplus(*drive), mix(partition, *drive))
        };
        (0..self.tree.drive_count()).filter(|drive| may(*drive)).min_by_key(rank)
    }

    /// The finished table. A drive that was in the partition before has its old slot, or data
    /// would move between the shards of one drive; the others take the free slots in an order
    /// of their own, or some drives would keep data and others parity.
    pub(crate) fn into_slots(mut self) -> Vec<usize> {
        for partition in self.partitions() {
            let range = self.slot_range(partition);
            let before = &self.before[range.clone()];
            let stays = |drive: &usize| before.contains(&Some(*drive));
            let mut moved: Vec<usize> =
                self.slots[range.clone()].iter().flatten().copied().filter(|d| !stays(d)).collect();
            moved.sort_by_key(|drive| mix(usize::MAX - partition, *drive));
            let now = self.slots[range.clone()].to_vec();
            for slot in range {
                let old = self.before[slot].filter(|drive| now.contains(&Some(*drive)));
                self.slots[slot] = old.or_else(|| moved.pop());
            }
        }
        self.slots.into_iter().flatten().collect()
    }

    pub(crate) fn tree(&self) -> &DomainTree {
        &self.tree
    }

    /// A drive's slots less its target.
    pub(crate) fn excess(&self, drive: usize) -> i64 {
        self.excess[drive]
    }

    pub(crate) fn partitions(&self) -> std::ops::Range<usize> {
        0..self.slots.len() / self.tree.width()
    }

    pub(crate) fn slot_range(&self, partition: usize) -> std::ops::Range<usize> {
        partition * self.tree.width()..(partition + 1) * self.tree.width()
    }

    pub(crate) fn partition_of(&self, slot: usize) -> usize {
        slot / self.tree.width()
    }

    /// Whether a drive held a slot of the partition before the rebalance.
    pub(crate) fn held_before(&self, partition: usize, drive: usize) -> bool {
        self.before[self.slot_range(partition)].contains(&Some(drive))
    }

    pub(crate) fn slot(&self, slot: usize) -> Slot {
        self.slots[slot]
    }

    /// Gives a slot to another drive.
    pub(crate) fn set(&mut self, slot: usize, drive: Slot) {
        if let Some(old) = self.slots[slot] {
            self.excess[old] -= 1;
        }
        if let Some(new) = drive {
            self.excess[new] += 1;
        }
        self.slots[slot] = drive;
    }

    /// Starts to look at a partition: counts what each domain holds of it.
    pub(crate) fn enter(&mut self, partition: usize) {
        for slot in self.slot_range(partition) {
            if let Some(drive) = self.slots[slot] {
                self.hold(drive);
            }
        }
    }

    /// Ends looking at a partition.
    pub(crate) fn leave(&mut self, partition: usize) {
        for slot in self.slot_range(partition) {
            if let Some(drive) = self.slots[slot] {
                self.release(drive);
            }
        }
    }

    /// Whether the partition looked at may have one more slot on `drive`.
    pub(crate) fn has_room(&self, drive: usize) -> bool {
        self.tree.path(drive).iter().all(|domain| self.held[*domain] < self.tree.cap(*domain))
    }

    pub(crate) fn hold(&mut self, drive: usize) {
        for domain in self.tree.path(drive) {
            self.held[*domain] += 1;
        }
    }

    pub(crate) fn release(&mut self, drive: usize) {
        for domain in self.tree.path(drive) {
            self.held[*domain] -= 1;
        }
    }

    /// What a drive holds above its target, in 2^-20 of it: drives fill up side by side.
    fn surplus(&self, drive: usize) -> i64 {
        let target = i64::try_from(self.tree.target(drive)).unwrap_or(i64::MAX).max(1);
        (self.excess[drive] << 20) / target
    }

    fn partitions_shuffled(&self) -> Vec<usize> {
        let mut partitions: Vec<usize> = self.partitions().collect();
        partitions.sort_by_key(|partition| mix(*partition, usize::MAX));
        partitions
    }
}

/// A fixed hash of two numbers (the finalizer of SplitMix64), to break ties without a pattern.
fn mix(a: usize, b: usize) -> u64 {
    let mut x = (a as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (b as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
