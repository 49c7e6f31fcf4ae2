//! How good a ring is: balance (does each drive hold its share?) and dispersion (how much of a
//! partition is lost with one domain?). For operators and tests; no place is decided by it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::FailureDomain;
use crate::drive::RingDrive;
use crate::ids::{DriveId, Partition};
use crate::ring::Ring;

/// The figures of one ring.
#[derive(Clone, Debug, PartialEq)]
pub struct RingReport {
    /// What each drive holds, ascending by id.
    pub drives: Vec<DriveLoad>,
    /// The spread at each level, widest first.
    pub dispersion: [Dispersion; 4],
    /// How much of the drives' summed weight can be used until the first is full, 0 to 1. Weights
    /// in proportion to capacity give 1; a zone too small for its part of every partition less.
    pub usable: f64,
}

/// What one drive holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriveLoad {
    /// The drive.
    pub id: DriveId,
    /// Slots it holds.
    pub slots: u64,
    /// Slots that are its share by weight alone, which spreading over domains may not allow.
    pub share: f64,
}

/// How partitions spread over the domains of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispersion {
    /// The level.
    pub level: FailureDomain,
    /// Domains that hold anything.
    pub domains: usize,
    /// The most slots of one partition in one domain: what its loss costs a stripe at worst.
    pub fullest: usize,
}

impl RingReport {
    /// The greatest deviation of a drive from its share by weight, as a part of that share;
    /// 0.01 is one per cent.
    pub fn imbalance(&self) -> f64 {
        let taking = self.drives.iter().filter(|load| load.share > 0.0);
        taking.map(|load| (load.slots as f64 - load.share).abs() / load.share).fold(0.0, f64::max)
    }
}

/// How many domains may be lost, whichever they are, if each holds so many of something and `spare` of it may go.
pub fn domains_survived(held: impl Iterator<Item = usize>, spare: usize) -> usize {
    let mut held: Vec<usize> = held.collect();
    held.sort_unstable_by(|one, other| other.cmp(one));
    let lost = held.iter().scan(0, |lost, count| {
        *lost += count;
        Some(*lost)
    });
    lost.take_while(|lost| *lost <= spare).count()
}

impl Ring {
    /// Measures the ring.
    pub fn report(&self) -> RingReport {
        let mut slots = BTreeMap::<DriveId, u64>::new();
        for id in self.partitions().flat_map(|partition| self.drives(partition)) {
            *slots.entry(*id).or_default() += 1;
        }
        let weight = |drive: &RingDrive| if drive.is_eligible() { f64::from(drive.weight) } else { 0.0 };
        let total_weight: f64 = self.all_drives().map(|(drive, _)| weight(drive)).sum();
        let total_slots = f64::from(self.partition_count()) * f64::from(self.width());
        let load = |drive: &RingDrive| DriveLoad {
            id: drive.id,
            slots: slots.get(&drive.id).copied().unwrap_or(0),
            share: total_slots * weight(drive) / total_weight,
        };
        let drives: Vec<DriveLoad> = self.all_drives().map(|(drive, _)| load(drive)).collect();
        let holding = drives.iter().filter(|load| load.slots > 0);
        let usable = holding.map(|load| load.share / load.slots as f64).fold(1.0, f64::min);
        RingReport { drives, dispersion: FailureDomain::WIDEST_FIRST.map(|level| self.dispersion(level)), usable }
    }

    /// How many domains of a level may be lost, whichever they are, so that no partition loses more
    /// than `spare` slots.
    pub fn losses_survived(&self, level: FailureDomain, spare: usize) -> usize {
        let survived = |partition| domains_survived(self.slots_by_domain(partition, level).into_values(), spare);
        self.partitions().map(survived).min().unwrap_or(0)
    }

    /// The domains of a level that hold anything, each by one of its drives, and the most slots of one
    /// partition in it.
    pub fn fullest(&self, level: FailureDomain) -> Vec<(&RingDrive, usize)> {
        let mut fullest = BTreeMap::<u16, usize>::new();
        for (domain, count) in self.partitions().flat_map(|partition| self.slots_by_domain(partition, level)) {
            let most = fullest.entry(domain).or_default();
            *most = count.max(*most);
        }
        let some_drive = |domain| self.all_drives().find(|(_, path)| path.at(level) == domain).map(|(drive, _)| drive);
        fullest.into_iter().filter_map(|(domain, count)| Some((some_drive(domain)?, count))).collect()
    }

    /// The most slots of one partition that are on these drives.
    pub fn most_lost(&self, lost: &BTreeSet<DriveId>) -> usize {
        let on_lost = |partition| self.drives(partition).iter().filter(|drive| lost.contains(drive)).count();
        self.partitions().map(on_lost).max().unwrap_or(0)
    }

    fn slots_by_domain(&self, partition: Partition, level: FailureDomain) -> BTreeMap<u16, usize> {
        let mut here = BTreeMap::new();
        for path in self.drives(partition).iter().filter_map(|id| self.domains(*id)) {
            *here.entry(path.at(level)).or_default() += 1;
        }
        here
    }

    fn dispersion(&self, level: FailureDomain) -> Dispersion {
        let mut holding = BTreeMap::new();
        let mut fullest = 0;
        for partition in self.partitions() {
            let here = self.slots_by_domain(partition, level);
            fullest = fullest.max(here.values().copied().max().unwrap_or(0));
            holding.extend(here);
        }
        Dispersion { level, domains: holding.len(), fullest }
    }
}
