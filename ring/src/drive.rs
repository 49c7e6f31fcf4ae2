//! A drive as the ring sees it: where it stands and how much it should hold.
//!
//! Whether a drive answers at this moment is not the ring's business: only operators change a
//! ring, a death never does.

use crate::ids::{DriveId, NodeId, RegionName, ZoneName};

/// The largest weight. Bounds the builder's arithmetic.
pub const WEIGHT_MAX: u32 = 1 << 24;

/// What the operator wants of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RingMembership {
    /// It takes partitions by its weight.
    Active,
    /// It gives up all its partitions and takes none, neither as a handoff.
    Draining,
}

/// A drive of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingDrive {
    /// Its identity.
    pub id: DriveId,
    /// The node it is attached to.
    pub node: NodeId,
    /// The zone of that node, unique within the region.
    pub zone: ZoneName,
    /// The region of that zone.
    pub region: RegionName,
    /// Its share relative to other drives, in any unit (GiB of capacity is a good one), up to
    /// [`WEIGHT_MAX`]; 0 takes nothing.
    pub weight: u32,
    /// What the operator wants of it.
    pub membership: RingMembership,
}

impl RingDrive {
    /// Whether partitions and handoffs may be placed on it.
    pub const fn is_eligible(&self) -> bool {
        matches!(self.membership, RingMembership::Active) && self.weight > 0
    }
}
