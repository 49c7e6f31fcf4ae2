//! How the cluster's drives stand: which serve, which are lost, which were emptied.
//!
//! A drive that is away for less than the grace is waited for; one that is away for longer is lost until
//! it is back. Must not know: chunks, rows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use couronne_protocol::map::{DriveState, Emptied, MapSource};
use couronne_ring::DriveId;

use crate::losses::Cause;
use crate::node::LocalNode;

/// The drives at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Those that serve.
    pub(super) up: BTreeSet<DriveId>,
    /// Of these, those that take nothing new now.
    pub(super) closed: BTreeSet<DriveId>,
    /// Those that are away for longer than the grace, and since when (milliseconds since 1970).
    pub(super) lost: BTreeMap<DriveId, u64>,
    /// Those that came back emptied.
    pub(super) emptied: BTreeMap<DriveId, Emptied>,
}

impl Standing {
    /// How they stand now, as the node knows.
    pub(super) fn of(node: &LocalNode) -> Self {
        let (map, view) = (node.map(), node.current());
        let state = |drive: &DriveId| view.drives.get(drive).map_or(DriveState::Down, |drive| drive.state);
        let mut standing = Self::default();
        let before_ms = node.env().clock.wall_ms().saturating_sub(grace_ms(node));
        for (id, drive) in &map.drives {
            if state(id) != DriveState::Down {
                standing.up.insert(*id);
                if state(id) == DriveState::Closed {
                    standing.closed.insert(*id);
                }
            } else if let Some(since_ms) = drive.down_since_ms.filter(|since| *since <= before_ms) {
                standing.lost.insert(*id, since_ms);
            }
            if drive.emptied.times > 0 {
                standing.emptied.insert(*id, drive.emptied);
            }
        }
        standing
    }

    /// Why shards may be gone.
    pub(super) fn causes(&self) -> BTreeSet<Cause> {
        let lost = self.lost.iter().map(|(drive, since_ms)| Cause::Lost(*drive, *since_ms));
        lost.chain(self.emptied.iter().map(|(drive, emptied)| Cause::Emptied(*drive, emptied.last_ms))).collect()
    }
}

/// How long until a drive that is away now is lost; `None` if none is about to be.
pub(super) fn until_next_loss(node: &LocalNode) -> Option<Duration> {
    let now_ms = node.env().clock.wall_ms();
    let due = |since_ms: u64| since_ms.saturating_add(grace_ms(node)).checked_sub(now_ms).filter(|left| *left > 0);
    let map = node.map();
    map.drives.values().filter_map(|drive| due(drive.down_since_ms?)).min().map(Duration::from_millis)
}

fn grace_ms(node: &LocalNode) -> u64 {
    u64::try_from(node.duties.settings.repair_grace.as_millis()).unwrap_or(u64::MAX)
}
