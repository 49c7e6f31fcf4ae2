//! A cluster map that tests change.

use std::collections::BTreeMap;
use std::sync::Arc;

use couronne_cluster::DriveState;
use couronne_cluster::map::{MapDrive, MapView};
use couronne_placement::{Policy, PolicyId};
use couronne_protocol::map::MapSource;
use couronne_ring::{DriveId, Epoch, NodeId, RegionName, Ring, RingBuilder, RingDrive, ZoneName};
use parking_lot::RwLock;

use super::FakeShape;

/// A map that tests change.
pub struct FakeMap(RwLock<Arc<MapView>>);

impl MapSource for FakeMap {
    fn current(&self) -> Arc<MapView> {
        self.0.read().clone()
    }
}

impl FakeMap {
    pub(super) fn new(shape: &FakeShape, drives: &[DriveId]) -> Self {
        Self(RwLock::new(Arc::new(cluster_map(shape, drives))))
    }

    /// Says that a drive is up or down.
    pub fn set_state(&self, drive: DriveId, state: DriveState) {
        self.change(|map| {
            if let Some(drive) = map.drives.get_mut(&drive) {
                drive.state = state;
            }
        });
    }

    /// Says that a drive never comes back.
    pub fn set_gone(&self, drive: DriveId) {
        self.set_state(drive, DriveState::LOST);
        self.change(|map| map.gone.push(drive));
    }

    /// Publishes the ring again under the next epoch.
    pub fn next_epoch(&self) -> Epoch {
        let ring = self.current().rings.values().next().cloned().expect("a cluster has a ring");
        let next = RingBuilder::from_ring(&ring).rebalance().expect("the ring can be built again");
        let epoch = next.epoch();
        self.change(|map| map.rings.values_mut().for_each(|ring| *ring = Arc::new(next.clone())));
        epoch
    }

    fn change(&self, change: impl FnOnce(&mut MapView)) {
        let mut map = self.0.write();
        let mut next = MapView::clone(&map);
        next.version += 1;
        change(&mut next);
        *map = Arc::new(next);
    }
}

fn cluster_map(shape: &FakeShape, drives: &[DriveId]) -> MapView {
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
    let map_drive = |drive: &DriveId| {
        let node = (drive.0 - 1) / u128::from(shape.drives_per_node);
        let zone = ZoneName(format!("zone {}", node % u128::from(shape.zones)).into());
        (
            *drive,
            MapDrive { node: NodeId(node), zone, region: RegionName("region".into()), state: DriveState::WRITABLE },
        )
    };
    let drives: BTreeMap<DriveId, MapDrive> = drives.iter().map(map_drive).collect();
    MapView {
        version: 1,
        cluster: 7,
        rings: BTreeMap::from([(id, Arc::new(ring(&policy, &drives)))]),
        drives,
        gone: Vec::new(),
        policies: BTreeMap::from([(id, policy)]),
        default_policy: id,
    }
}

fn ring(policy: &Policy, drives: &BTreeMap<DriveId, MapDrive>) -> Ring {
    let width = policy.redundancy.data_shards() + policy.redundancy.losses();
    let mut builder = RingBuilder::new(6, width).expect("a ring of this shape");
    for (id, placed) in drives {
        let drive = RingDrive {
            id: *id,
            node: placed.node,
            zone: placed.zone.clone(),
            region: placed.region.clone(),
            weight: 100,
            membership: couronne_ring::RingMembership::Active,
        };
        builder.add(drive).expect("a drive of the ring");
    }
    builder.rebalance().expect("enough drives for the policy")
}
