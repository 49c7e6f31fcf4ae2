//! Storage policies, where each shard goes, and the erasure code itself.
//!
//! Promises: pure and deterministic; the same map and blob give the same places on every machine.
//! Must not know: HTTP, disks, time, tasks.

pub mod birth;
mod blob;
pub mod erasure;
pub mod frame;
mod geometry;
mod place;
mod policy;
mod quorum;
mod replicas;
mod spread;
mod value;

pub use blob::{Binding, BlobId, ChunkId, ShardId};
pub use geometry::{CHUNK_BYTES_MAX, ChunkLayout, Geometry, GeometryError, SHARDS_MAX};
pub use place::{Handoffs, PlaceError, Placement, place};
pub use policy::{Policy, PolicyId, Redundancy, RedundancyError, ResidencyClass};
pub use quorum::{Quorum, QuorumError, ShardFate};
pub use replicas::{ReplicasError, replica_beside, replicas};
