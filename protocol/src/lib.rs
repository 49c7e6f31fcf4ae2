//! The typed messages between gateways and storage nodes, and the seams that both share.
//!
//! Promises: a gateway reaches drives and ranges only through the traits here, whether they live in
//! the same process or across a network. What the messages say is settled here; how they travel is not.
//! Must not know: S3, Swift, files, consensus.

pub mod join;
pub mod map;
pub mod net;
pub mod range;
pub mod remote;
pub mod shard;
pub mod transport;
pub mod wire;
