//! The drives that forgot: the map must have noted each as emptied, or nobody looks for what it had to hold.
//!
//! Must not know: how a drive came to forget.

use std::collections::BTreeMap;

use couronne_ring::DriveId;

use crate::world::World;

/// How often drives must have been noted as emptied, at least.
#[derive(Default)]
pub struct Losses(BTreeMap<DriveId, u64>);

impl Losses {
    /// Notes that a drive forgets now: it is to be noted once more than it is yet.
    pub fn expect(&mut self, world: &World, drive: DriveId) {
        self.0.insert(drive, times_emptied(world, drive) + 1);
    }

    /// What is wrong once all is at rest.
    pub fn check(&self, world: &World) -> Vec<String> {
        let unnoted = self.0.iter().filter(|(drive, times)| times_emptied(world, **drive) < **times);
        unnoted.map(|(drive, _)| format!("{drive} forgot what it held, and nobody noticed")).collect()
    }
}

/// How often a drive was noted as emptied, by the newest map that a node knows.
fn times_emptied(world: &World, drive: DriveId) -> u64 {
    let maps = world.shape.storage_nodes().filter_map(|node| world.node(node)).map(|node| node.map());
    maps.filter_map(|map| map.drives.get(&drive).map(|drive| drive.emptied.times)).max().unwrap_or(0)
}
