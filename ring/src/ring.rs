//! The ring itself: a table from partition to drives, immutable once made.
//!
//! Promises: every ring that exists is valid: each partition lists `width` distinct drives, all of
//! them described. Changes are made by the builder, which publishes a new epoch.

use thiserror::Error;

use crate::domain::DomainPath;
use crate::drive::{RingDrive, WEIGHT_MAX};
use crate::ids::{DriveId, Epoch, Partition};

/// The most drives of a ring.
pub const DRIVES_MAX: usize = 16_384;

/// The most drives a partition lists.
pub const WIDTH_MAX: u8 = 32;

/// The most partitions are `2^PARTITION_BITS_MAX`: bounds a ring in memory and on a wire.
pub const PARTITION_BITS_MAX: u8 = 16;

/// The longest name of a region or a zone, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Partitions of a new ring: 4,096. Enough for hundreds of drives within 1 % of their share.
pub const PARTITION_BITS_DEFAULT: u8 = 12;

/// Which drives keep which partition, as of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    epoch: Epoch,
    partition_bits: u8,
    width: u8,
    /// Sorted by id.
    drives: Vec<RingDrive>,
    /// One per drive, in the same order.
    domains: Vec<DomainPath>,
    /// `width` drives for each partition, in shard order.
    table: Vec<DriveId>,
}

/// Why a ring was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RingError {
    /// Partition bits or width out of bounds, or a table of another size.
    #[error("a ring has 2^0 to 2^16 partitions of 1 to 32 drives each, and a table of that size")]
    Shape,
    /// More than [`DRIVES_MAX`] drives.
    #[error("a ring has at most 16,384 drives")]
    TooManyDrives,
    /// Drives are not in strictly ascending order of their ids.
    #[error("drives of a ring are not listed once each, in ascending order")]
    DriveOrder,
    /// A weight above [`WEIGHT_MAX`].
    #[error("drive {0} weighs more than 2^24")]
    Weight(DriveId),
    /// A region's or zone's name of more than 255 bytes.
    #[error("the region or zone of drive {0} has a name of more than 255 bytes")]
    Name(DriveId),
    /// A partition lists a drive that the ring does not describe, or lists one twice.
    #[error("partition {} does not list distinct drives of the ring", .0.0)]
    Slots(Partition),
}

impl Ring {
    /// Checks and makes a ring. `drives` ascend by id; `table` lists `width` drives for each of
    /// the `2^partition_bits` partitions, in shard order.
    pub(crate) fn new(
        epoch: Epoch,
        partition_bits: u8,
        width: u8,
        drives: Vec<RingDrive>,
        table: Vec<DriveId>,
    ) -> Result<Self, RingError> {
        check_shape(partition_bits, width)?;
        if table.len() != usize::from(width) << partition_bits {
            return Err(RingError::Shape);
        }
        check_drives(&drives)?;
        let domains = DomainPath::of_drives(&drives);
        let ring = Self { epoch, partition_bits, width, drives, domains, table };
        for partition in ring.partitions() {
            let slots = ring.drives(partition);
            let distinct = slots.iter().enumerate().all(|(slot, id)| !slots.iter().skip(slot + 1).any(|b| b == id));
            if !distinct || slots.iter().any(|id| ring.drive(*id).is_none()) {
                return Err(RingError::Slots(partition));
            }
        }
        Ok(ring)
    }

    /// The version of this ring.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many bits of a hash name a partition.
    pub const fn partition_bits(&self) -> u8 {
        self.partition_bits
    }

    /// How many drives each partition lists: the shards of a full stripe.
    pub const fn width(&self) -> u8 {
        self.width
    }

    /// How many partitions there are.
    pub const fn partition_count(&self) -> u32 {
        1 << self.partition_bits
    }

    /// All partitions, ascending.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = Partition> + use<> {
        (0..self.partition_count()).map(Partition)
    }

    /// The partition that `hash` falls in: its topmost bits.
    pub const fn partition_of(&self, hash: u64) -> Partition {
        // In two shifts, since a ring of one partition would shift by all 64 bits.
        Partition((hash >> 1 >> (63 - self.partition_bits)) as u32)
    }

    /// The drives that keep `partition`, in shard order; none for a partition past the last.
    pub fn drives(&self, partition: Partition) -> &[DriveId] {
        let index = usize::try_from(partition.0).unwrap_or(usize::MAX);
        self.table.chunks_exact(usize::from(self.width)).nth(index).unwrap_or(&[])
    }

    /// Describes a drive.
    pub fn drive(&self, id: DriveId) -> Option<&RingDrive> {
        self.drives.get(self.position(id)?)
    }

    /// All drives of the ring with the domains they lie in, ascending by id. Some may hold nothing.
    pub fn all_drives(&self) -> impl ExactSizeIterator<Item = (&RingDrive, DomainPath)> {
        self.drives.iter().zip(self.domains.iter().copied())
    }

    /// The failure domains a drive lies in.
    pub fn domains(&self, id: DriveId) -> Option<DomainPath> {
        self.domains.get(self.position(id)?).copied()
    }

    pub(crate) fn position(&self, id: DriveId) -> Option<usize> {
        self.drives.binary_search_by_key(&id, |drive| drive.id).ok()
    }
}

pub(crate) const fn check_shape(partition_bits: u8, width: u8) -> Result<(), RingError> {
    if partition_bits > PARTITION_BITS_MAX || width == 0 || width > WIDTH_MAX {
        return Err(RingError::Shape);
    }
    Ok(())
}

pub(crate) fn check_drives(drives: &[RingDrive]) -> Result<(), RingError> {
    if drives.len() > DRIVES_MAX {
        return Err(RingError::TooManyDrives);
    }
    if !drives.is_sorted_by(|a, b| a.id < b.id) {
        return Err(RingError::DriveOrder);
    }
    for drive in drives {
        if drive.weight > WEIGHT_MAX {
            return Err(RingError::Weight(drive.id));
        }
        if drive.region.0.len() > NAME_BYTES_MAX || drive.zone.0.len() > NAME_BYTES_MAX {
            return Err(RingError::Name(drive.id));
        }
    }
    Ok(())
}
