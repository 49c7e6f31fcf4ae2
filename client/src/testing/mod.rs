//! Ranges, drives and a map in memory: what the client works with, with faults on demand.
//!
//! Metadata is the real thing (evaluate, apply, answer) over stores in memory, without consensus;
//! drives are maps. All of it is seeded and takes its time from Tokio's clock, so that a test may
//! pause it.
#![allow(clippy::expect_used, reason = "a test's cluster that cannot be built is a failed test")]

mod drives;
mod map;
mod ranges;

use std::sync::Arc;

use couronne_base::env::Env;
use couronne_placement::Redundancy;
use couronne_ring::DriveId;

use crate::Components;
pub use drives::{DriveFault, FakeDrives};
pub use map::FakeMap;
pub use ranges::{FakeRanges, RangeFault};

/// What a cluster in memory is made of.
#[derive(Clone, Debug)]
pub struct FakeShape {
    /// The default policy's promise.
    pub redundancy: Redundancy,
    /// Drives.
    pub drives: u8,
    /// Drives of each node.
    pub drives_per_node: u8,
    /// Zones over which the nodes are dealt out in turn.
    pub zones: u8,
    /// Metadata ranges at birth.
    pub ranges: u16,
    /// The policy's chunk size, in bytes.
    pub chunk_bytes: u32,
    /// The policy's inline bound, in bytes.
    pub inline_bytes_max: u32,
    /// The policy's bound of whole copies, in bytes.
    pub copies_bytes_max: u32,
    /// Seed of the rng.
    pub seed: u64,
}

impl Default for FakeShape {
    fn default() -> Self {
        Self {
            redundancy: Redundancy::Erasure { k: 4, m: 2 },
            drives: 6,
            drives_per_node: 1,
            zones: 1,
            ranges: 4,
            chunk_bytes: 4 << 20,
            inline_bytes_max: 4 << 10,
            copies_bytes_max: 64 << 10,
            seed: 1,
        }
    }
}

/// The storage nodes of a cluster in memory.
pub struct FakeStorage {
    /// Its drives.
    pub drives: Arc<FakeDrives>,
    /// Its ranges.
    pub ranges: Arc<FakeRanges>,
    /// Its map.
    pub map: Arc<FakeMap>,
    /// Its time and randomness.
    pub env: Env,
}

impl FakeStorage {
    /// Storage of this shape. Needs a Tokio runtime.
    pub fn new(shape: &FakeShape) -> Self {
        let env = couronne_base::testing::env(shape.seed).0;
        let drive_ids: Vec<DriveId> = (1..=shape.drives).map(|number| DriveId(number.into())).collect();
        Self {
            map: Arc::new(FakeMap::new(shape, &drive_ids)),
            drives: Arc::new(FakeDrives::new(&drive_ids, shape.seed)),
            ranges: Arc::new(FakeRanges::new(shape.ranges, &drive_ids, env.clock.clone())),
            env,
        }
    }

    /// What a client of it works with.
    pub fn components(&self) -> Components {
        Components {
            shards: self.drives.clone(),
            ranges: self.ranges.clone(),
            map: self.map.clone(),
            env: self.env.clone(),
        }
    }
}
