//! The consistent-hash ring as a pure data structure.
//!
//! Promises: the same inputs give the same ring; a change moves close to the least possible;
//! no two replicas of a partition share a failure domain while there are enough of them.
//! Must not know: I/O, async, time, objects, erasure codes.

mod ids;

pub use ids::{DriveId, Epoch, NodeId, Partition, RegionName, ZoneName};

/// A published ring. (The builder and its accessors land with the ring work.)
#[derive(Clone, Debug)]
pub struct Ring {
    /// Its version.
    pub epoch: Epoch,
}
