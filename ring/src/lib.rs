//! The consistent-hash ring as a pure data structure.
//!
//! Promises: the same inputs give the same ring; a change moves close to the least possible;
//! no two replicas of a partition share a failure domain while there are enough of them.
//! Must not know: I/O, async, time, objects, erasure codes.

mod assignment;
mod builder;
mod difference;
mod domain;
mod drive;
mod economy;
mod encoding;
mod exchange;
mod ids;
mod report;
mod ring;
mod tree;

pub use builder::{BuildError, RingBuilder};
pub use difference::{Move, ShapesDiffer};
pub use domain::{DomainPath, FailureDomain};
pub use drive::{RingDrive, RingMembership, WEIGHT_MAX};
pub use ids::{DriveId, Epoch, NodeId, Partition, RegionName, ZoneName};
pub use report::{Dispersion, DriveLoad, RingReport, domains_survived};
pub use ring::{DRIVES_MAX, PARTITION_BITS_DEFAULT, PARTITION_BITS_MAX, Ring, RingError, WIDTH_MAX};
