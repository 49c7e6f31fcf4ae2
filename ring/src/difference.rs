//! What changes from one epoch of a ring to another.

use thiserror::Error;

use crate::ids::{DriveId, Partition};
use crate::ring::Ring;

/// One slot of a partition that changes its drive: a shard to move or to rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Move {
    /// The partition.
    pub partition: Partition,
    /// The slot within it: the shard's number.
    pub slot: u8,
    /// The drive that has it. It may be gone from the newer ring.
    pub from: DriveId,
    /// The drive that is to have it.
    pub to: DriveId,
}

/// Two rings that cannot be compared slot by slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("rings of different width or number of partitions have no slots in common")]
pub struct ShapesDiffer;

impl Ring {
    /// The slots that move from `older` to this ring, by partition and slot.
    pub fn moves_from(&self, older: &Self) -> Result<Vec<Move>, ShapesDiffer> {
        if (self.partition_bits(), self.width()) != (older.partition_bits(), older.width()) {
            return Err(ShapesDiffer);
        }
        let moves_in = |partition: Partition| {
            let pairs = older.drives(partition).iter().zip(self.drives(partition));
            (0_u8..).zip(pairs).filter(|(_, (from, to))| from != to).map(move |(slot, (from, to))| Move {
                partition,
                slot,
                from: *from,
                to: *to,
            })
        };
        Ok(self.partitions().flat_map(moves_in).collect())
    }
}
