//! Where a shard goes whose primary does not take it: the chunk's handoffs in their fixed order, each
//! given to one shard, leaving out drives that are down, take nothing new, or have failed a shard of this
//! chunk.

use std::collections::BTreeSet;

use couronne_cluster::map::MapView;
use couronne_placement::{Handoffs, Placement};
use couronne_ring::{DriveId, Ring};

/// The handoffs of one chunk that are still to be given.
pub(super) struct HandoffPicker<'a> {
    map: &'a MapView,
    handoffs: Handoffs,
    failed: BTreeSet<DriveId>,
}

impl<'a> HandoffPicker<'a> {
    pub(super) fn new(map: &'a MapView, ring: &Ring, placement: &Placement) -> Self {
        Self { map, handoffs: placement.handoffs(ring), failed: BTreeSet::new() }
    }

    /// Notes that a drive did not take a shard.
    pub(super) fn fail(&mut self, drive: DriveId) {
        self.failed.insert(drive);
    }

    /// The next drive to try; `None` if all have been. `avoid` says which not to try.
    pub(super) fn next(&mut self, avoid: impl Fn(DriveId) -> bool) -> Option<DriveId> {
        let takes = |drive: &DriveId| self.map.drive_state(*drive).is_writable();
        self.handoffs.find(|drive| takes(drive) && !self.failed.contains(drive) && !avoid(*drive))
    }
}
