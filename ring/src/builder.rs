//! Making a ring and changing it: what an operator asks for becomes the next epoch.
//!
//! Promises: a published ring is never changed, each rebalance makes a new epoch; the same drives
//! and the same previous ring give the same ring on every machine. A builder needs no file of its
//! own: it continues from the ring last published.
//!
//! How: the domains are first given caps (the most slots of one partition each may hold) and
//! whole-numbered targets (slots in all); see `tree.rs`. Then the table is brought there in
//! passes, from cheap to thorough: shed what breaks a cap, fill what is empty, level drives against
//! each other, settle the rest by chains of exchanges, and take back moves that were not needed.
//! The alternatives: one minimum-cost flow over partitions, domains and drives gives as good a ring,
//! but has half a million edges for a hundred drives; greedy passes alone, with a tolerance for
//! overload, are fast, but leave drives off their share and move more than needed when domains bind.
//! Here the greedy passes do nearly all of the work in time linear in the table, and the exact ones
//! search a graph that has a vertex for each drive instead of each partition. Tests compare with the
//! flow.

use thiserror::Error;

use crate::assignment::{Assignment, Slot};
use crate::domain::DomainPath;
use crate::drive::{RingDrive, RingMembership};
use crate::economy;
use crate::exchange;
use crate::ids::{DriveId, Epoch, NodeId};
use crate::ring::{Ring, RingError, check_drives, check_shape};
use crate::tree::DomainTree;

/// The drives an operator wants, on top of the ring that is.
#[derive(Clone, Debug)]
pub struct RingBuilder {
    epoch: Epoch,
    partition_bits: u8,
    width: u8,
    /// Sorted by id.
    drives: Vec<RingDrive>,
    previous: Option<Ring>,
}

/// Why a change or a rebalance was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// The drive is there already.
    #[error("drive {0} is in the ring already")]
    Duplicate(DriveId),
    /// There is no such drive.
    #[error("drive {0} is not in the ring")]
    Unknown(DriveId),
    /// A node stands in one zone only.
    #[error("node {0} has drives in another zone")]
    NodeInTwoZones(NodeId),
    /// Each partition needs as many distinct drives as the ring is wide.
    #[error("a ring of width {width} needs as many drives that take data, and there are {eligible}")]
    TooFewDrives {
        /// Active drives of a weight above zero.
        eligible: usize,
        /// The ring's width.
        width: u8,
    },
    /// The ring would break a bound.
    #[error(transparent)]
    Ring(#[from] RingError),
}

impl RingBuilder {
    /// Starts a ring of `2^partition_bits` partitions of `width` drives each.
    pub fn new(partition_bits: u8, width: u8) -> Result<Self, BuildError> {
        check_shape(partition_bits, width)?;
        Ok(Self { epoch: Epoch(0), partition_bits, width, drives: Vec::new(), previous: None })
    }

    /// Continues from a published ring.
    pub fn from_ring(ring: &Ring) -> Self {
        Self {
            epoch: ring.epoch(),
            partition_bits: ring.partition_bits(),
            width: ring.width(),
            drives: ring.all_drives().map(|(drive, _)| drive.clone()).collect(),
            previous: Some(ring.clone()),
        }
    }

    /// Adds a drive.
    pub fn add(&mut self, drive: RingDrive) -> Result<(), BuildError> {
        let elsewhere = |other: &RingDrive| {
            other.node == drive.node && (&other.region, &other.zone) != (&drive.region, &drive.zone)
        };
        if self.drives.iter().any(elsewhere) {
            return Err(BuildError::NodeInTwoZones(drive.node));
        }
        let Err(position) = self.drives.binary_search_by_key(&drive.id, |other| other.id) else {
            return Err(BuildError::Duplicate(drive.id));
        };
        self.change(|drives| {
            drives.insert(position, drive);
            Ok(())
        })
    }

    /// Takes a drive out: it may be gone already, its shards are to be rebuilt elsewhere.
    pub fn remove(&mut self, id: DriveId) -> Result<RingDrive, BuildError> {
        let position = self.drives.binary_search_by_key(&id, |drive| drive.id);
        Ok(self.drives.remove(position.map_err(|_| BuildError::Unknown(id))?))
    }

    /// Gives a drive another share.
    pub fn reweight(&mut self, id: DriveId, weight: u32) -> Result<(), BuildError> {
        self.change(|drives| {
            find(drives, id)?.weight = weight;
            Ok(())
        })
    }

    /// Empties a drive that stays readable meanwhile ([`RingMembership::Draining`]), or takes it in again.
    pub fn set_membership(&mut self, id: DriveId, membership: RingMembership) -> Result<(), BuildError> {
        find(&mut self.drives, id)?.membership = membership;
        Ok(())
    }

    /// Makes the next epoch: every partition on distinct drives spread over as many domains as
    /// there are, every drive at its share, and as few slots moved as that takes.
    pub fn rebalance(&self) -> Result<Ring, BuildError> {
        let eligible: Vec<&RingDrive> = self.drives.iter().filter(|drive| drive.is_eligible()).collect();
        if eligible.len() < usize::from(self.width) {
            return Err(BuildError::TooFewDrives { eligible: eligible.len(), width: self.width });
        }
        let slots = self.previous_slots(&eligible);
        let mut tree = DomainTree::new(&DomainPath::of_drives(eligible.iter().copied()), usize::from(self.width));
        tree.set_targets(&eligible, 1 << self.partition_bits, slots.iter().copied().flatten());

        let mut assignment = Assignment::new(tree, slots);
        assignment.shed();
        assignment.fill();
        assignment.level();
        exchange::settle(&mut assignment);
        if self.previous.is_some() {
            economy::save_moves(&mut assignment);
        }

        let ids = assignment.into_slots().into_iter().filter_map(|drive| eligible.get(drive)).map(|drive| drive.id);
        Ok(Ring::new(Epoch(self.epoch.0 + 1), self.partition_bits, self.width, self.drives.clone(), ids.collect())?)
    }

    /// The previous table in numbers of `eligible` drives; empty where none of these held the slot.
    fn previous_slots(&self, eligible: &[&RingDrive]) -> Vec<Slot> {
        let Some(previous) = &self.previous else {
            return vec![None; usize::from(self.width) << self.partition_bits];
        };
        let number = |id: &DriveId| eligible.binary_search_by_key(id, |drive| drive.id).ok();
        previous.partitions().flat_map(|partition| previous.drives(partition)).map(number).collect()
    }

    /// Changes the list of drives, unless it would break a bound.
    fn change(&mut self, change: impl FnOnce(&mut Vec<RingDrive>) -> Result<(), BuildError>) -> Result<(), BuildError> {
        let mut drives = self.drives.clone();
        change(&mut drives)?;
        check_drives(&drives)?;
        self.drives = drives;
        Ok(())
    }
}

fn find(drives: &mut [RingDrive], id: DriveId) -> Result<&mut RingDrive, BuildError> {
    drives.iter_mut().find(|drive| drive.id == id).ok_or(BuildError::Unknown(id))
}
