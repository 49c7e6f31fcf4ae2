//! How the cluster's drives stand, by the map: which serve, which are lost, which have lost what they held.
//!
//! A drive that is away for less than the grace is waited for; one that is away for longer is lost until
//! it is back. Must not know: chunks, rows, time.

use std::collections::{BTreeMap, BTreeSet};

use couronne_protocol::map::SharedMap;
use couronne_ring::{DriveId, Ring};

/// The drives at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DriveSnapshot {
    /// Drives that serve.
    pub(super) up: BTreeSet<DriveId>,
    /// The drives among these that take nothing new now.
    pub(super) unwritable: BTreeSet<DriveId>,
    /// Drives that are down for longer than the grace.
    pub(super) lost: BTreeSet<DriveId>,
    /// Drives of which something was lost, and the versions of the map that first knew it.
    pub(super) losses: BTreeMap<DriveId, u64>,
}

impl DriveSnapshot {
    /// How they stand, as the map says.
    pub(super) fn of(map: &SharedMap) -> Self {
        let map = map.state();
        let mut snapshot = Self::default();
        for (id, drive) in &map.drives {
            let state = drive.state();
            if state.is_up() {
                snapshot.up.insert(*id);
                if !state.is_writable() {
                    snapshot.unwritable.insert(*id);
                }
            } else if drive.lost_version.is_some() {
                snapshot.lost.insert(*id);
            }
            if drive.loss_version() > 0 {
                snapshot.losses.insert(*id, drive.loss_version());
            }
        }
        snapshot
    }

    /// The drives of a ring that do not serve.
    pub(super) fn away(&self, ring: &Ring) -> Vec<DriveId> {
        ring.all_drives().map(|(drive, _)| drive.id).filter(|drive| !self.up.contains(drive)).collect()
    }

    /// The version of the map that first knew the newest loss; 0: there is none.
    pub(super) fn newest_loss(&self) -> u64 {
        self.losses.values().copied().max().unwrap_or(0)
    }
}
