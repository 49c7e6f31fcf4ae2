//! How the cluster's drives stand: which serve, which are lost, which were emptied.
//!
//! A drive that is away for less than the grace is waited for; one that is away for longer is lost until
//! it is back. Must not know: chunks, rows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use couronne_metadata::record::LossEvent;
use couronne_protocol::map::{MapSource as _, SharedMap};
use couronne_ring::DriveId;

/// The drives at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DriveSnapshot {
    /// Drives that serve.
    pub(super) up: BTreeSet<DriveId>,
    /// The drives among these that take nothing new now.
    pub(super) unwritable: BTreeSet<DriveId>,
    /// Drives that are down for longer than the grace, and since when (milliseconds since 1970).
    pub(super) lost: BTreeMap<DriveId, u64>,
    /// Drives that came back emptied, and the versions of the map that first knew it.
    pub(super) emptied: BTreeMap<DriveId, u64>,
}

impl DriveSnapshot {
    /// How they stand, as the map says by then; one that is away for longer than the grace is lost.
    pub(super) fn of(map: &SharedMap, now_ms: u64, grace: Duration) -> Self {
        let (map, view) = (map.state(), map.current());
        let mut snapshot = Self::default();
        for (id, drive) in &map.drives {
            let state = view.drive_state(*id);
            if state.is_up() {
                snapshot.up.insert(*id);
                if !state.is_writable() {
                    snapshot.unwritable.insert(*id);
                }
            } else if let Some(since_ms) = drive.lost_since_ms(now_ms, whole_ms(grace)) {
                snapshot.lost.insert(*id, since_ms);
            }
            if drive.emptied.times > 0 {
                snapshot.emptied.insert(*id, drive.emptied.version);
            }
        }
        snapshot
    }

    /// Why shards may be gone.
    pub(super) fn events(&self) -> BTreeSet<LossEvent> {
        let lost = self.lost.iter().map(|(drive, since_ms)| LossEvent::Lost(*drive, *since_ms));
        lost.chain(self.emptied.iter().map(|(drive, version)| LossEvent::Emptied(*drive, *version))).collect()
    }
}

/// How long until a drive that is away now is lost; `None` if none is about to be.
pub(super) fn until_next_loss(map: &SharedMap, now_ms: u64, grace: Duration) -> Option<Duration> {
    let due = |since_ms: u64| since_ms.saturating_add(whole_ms(grace)).checked_sub(now_ms).filter(|left| *left > 0);
    map.state().drives.values().filter_map(|drive| due(drive.down_since_ms?)).min().map(Duration::from_millis)
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
