//! A cluster in memory: the seams below the engine, with faults on demand.
//!
//! Metadata is the real thing (evaluate, apply, answer) over stores in memory, without consensus;
//! drives are maps. All of it is seeded and takes its time from Tokio's clock, so that a test may
//! pause it.
#![allow(clippy::expect_used, reason = "a test's cluster that cannot be built is a failed test")]

mod drives;
mod ranges;

use std::collections::BTreeMap;
use std::sync::Arc;

use couronne_base::env::Env;
use couronne_cluster::DriveState;
use couronne_cluster::map::{ClusterMap, MapDrive};
use couronne_placement::{Policy, PolicyId, Redundancy};
use couronne_protocol::map::MapSource;
use couronne_ring::{DriveId, Epoch, NodeId, RegionName, Ring, RingBuilder, RingDrive, ZoneName};
use parking_lot::RwLock;

use crate::engine::{Components, Engine, Settings};
pub use drives::{DriveFault, TwinDrives};
pub use ranges::{RangeFault, TwinRanges};

/// What a cluster in memory is made of.
#[derive(Clone, Debug)]
pub struct TwinShape {
    /// The default policy's promise.
    pub redundancy: Redundancy,
    /// Drives, each on a node of its own.
    pub drives: u8,
    /// Metadata ranges at birth.
    pub ranges: u16,
    /// The policy's chunk size, in bytes.
    pub chunk_bytes: u32,
    /// The policy's inline bound, in bytes.
    pub inline_bytes_max: u32,
    /// The policy's bound of whole copies, in bytes.
    pub copies_bytes_max: u32,
    /// Seed of all chance.
    pub seed: u64,
}

impl Default for TwinShape {
    fn default() -> Self {
        Self {
            redundancy: Redundancy::Erasure { k: 4, m: 2 },
            drives: 6,
            ranges: 4,
            chunk_bytes: 4 << 20,
            inline_bytes_max: 4 << 10,
            copies_bytes_max: 64 << 10,
            seed: 1,
        }
    }
}

/// A cluster in memory.
pub struct TwinCluster {
    /// The engine over it.
    pub engine: Engine,
    /// Its drives.
    pub drives: Arc<TwinDrives>,
    /// Its ranges.
    pub ranges: Arc<TwinRanges>,
    /// Its map.
    pub map: Arc<TwinMap>,
    /// Its time and chance.
    pub env: Env,
}

/// A map that tests change.
pub struct TwinMap(RwLock<Arc<ClusterMap>>);

impl MapSource for TwinMap {
    fn current(&self) -> Arc<ClusterMap> {
        self.0.read().clone()
    }
}

impl TwinMap {
    /// Says that a drive is up or down.
    pub fn set_state(&self, drive: DriveId, state: DriveState) {
        self.change(|map| {
            if let Some(drive) = map.drives.get_mut(&drive) {
                drive.state = state;
            }
        });
    }

    /// Publishes the ring again under the next epoch.
    pub fn next_epoch(&self) -> Epoch {
        let ring = self.current().rings.values().next().cloned().expect("a cluster has a ring");
        let next = RingBuilder::from_ring(&ring).rebalance().expect("the ring can be built again");
        let epoch = next.epoch();
        self.change(|map| map.rings.values_mut().for_each(|ring| *ring = Arc::new(next.clone())));
        epoch
    }

    fn change(&self, change: impl FnOnce(&mut ClusterMap)) {
        let mut map = self.0.write();
        let mut next = ClusterMap::clone(&map);
        next.version += 1;
        change(&mut next);
        *map = Arc::new(next);
    }
}

impl TwinCluster {
    /// A cluster of this shape, under default settings. Needs a Tokio runtime.
    pub fn new(shape: &TwinShape) -> Self {
        Self::with_settings(shape, Settings::default())
    }

    /// A cluster of this shape. Needs a Tokio runtime.
    pub fn with_settings(shape: &TwinShape, settings: Settings) -> Self {
        let env = couronne_base::testing::env(shape.seed).0;
        let drive_ids: Vec<DriveId> = (1..=shape.drives).map(|number| DriveId(number.into())).collect();
        let map = Arc::new(TwinMap(RwLock::new(Arc::new(cluster_map(shape, &drive_ids)))));
        let drives = Arc::new(TwinDrives::new(&drive_ids, shape.seed));
        let ranges = Arc::new(TwinRanges::new(shape.ranges, &drive_ids, env.clock.clone()));
        let components =
            Components { shards: drives.clone(), ranges: ranges.clone(), map: map.clone(), env: env.clone() };
        Self { engine: Engine::new(components, settings), drives, ranges, map, env }
    }

    /// Another gateway of the same cluster: it shares nothing with the first but ranges and drives.
    pub fn another_engine(&self, settings: Settings) -> Engine {
        let components = Components {
            shards: self.drives.clone(),
            ranges: self.ranges.clone(),
            map: self.map.clone(),
            env: self.env.clone(),
        };
        Engine::new(components, settings)
    }
}

fn cluster_map(shape: &TwinShape, drives: &[DriveId]) -> ClusterMap {
    let id = PolicyId(0);
    let policy = Policy {
        id,
        name: "default".into(),
        redundancy: shape.redundancy,
        chunk_bytes: shape.chunk_bytes,
        inline_bytes_max: shape.inline_bytes_max,
        copies_bytes_max: shape.copies_bytes_max,
        survives: None,
    };
    let (zone, region) = (ZoneName("zone".into()), RegionName("region".into()));
    let map_drive = |drive: &DriveId| {
        let placed =
            MapDrive { node: NodeId(drive.0), zone: zone.clone(), region: region.clone(), state: DriveState::WRITABLE };
        (*drive, placed)
    };
    ClusterMap {
        version: 1,
        cluster: 7,
        drives: drives.iter().map(map_drive).collect(),
        rings: BTreeMap::from([(id, Arc::new(ring(&policy, drives, &zone, &region)))]),
        policies: BTreeMap::from([(id, policy)]),
        default_policy: id,
    }
}

fn ring(policy: &Policy, drives: &[DriveId], zone: &ZoneName, region: &RegionName) -> Ring {
    let width = policy.redundancy.data_shards() + policy.redundancy.losses();
    let mut builder = RingBuilder::new(6, width).expect("a ring of this shape");
    for id in drives {
        let drive = RingDrive {
            id: *id,
            node: NodeId(id.0),
            zone: zone.clone(),
            region: region.clone(),
            weight: 100,
            membership: couronne_ring::RingMembership::Active,
        };
        builder.add(drive).expect("a drive of the ring");
    }
    builder.rebalance().expect("enough drives for the policy")
}
