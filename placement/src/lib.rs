//! Storage policies, where each shard goes, and the erasure code itself.
//!
//! Promises: pure and deterministic; the same map and blob give the same places on every machine.
//! Must not know: HTTP, disks, time, tasks.

mod blob;
mod geometry;
mod policy;

pub use blob::{BlobId, ChunkId, ShardId};
pub use geometry::{CHUNK_BYTES_MAX, ChunkLayout, Geometry, GeometryError, SHARDS_MAX};
pub use policy::{Policy, PolicyId, Redundancy, RedundancyError, ResidencyClass};
