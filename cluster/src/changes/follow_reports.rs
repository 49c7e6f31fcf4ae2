//! What the leader of the meta group learnt from node reports, put into the map.
//!
//! Promises: a drive changes its state only as the tables allow; a range that was led once is never founded again;
//! the cluster is formed as soon as all nodes are there.
//! Must not know: how long a member may be silent.

use couronne_metadata::ids::RangeId;
use couronne_ring::{DriveId, NodeId};

use super::form::{can_form, form};
use crate::drive_state::DriveState;
use crate::error::MapError;
use crate::map::ClusterMap;

/// What was heard of the members.
pub trait Reports {
    /// How a drive of a node is; `None` while it is too early to say.
    fn drive(&self, node: NodeId, drive: DriveId) -> Option<DriveState>;

    /// Whether any member says that it leads the range.
    fn is_led(&self, range: RangeId) -> bool;
}

/// What changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Drives, and their states from now on.
    pub drives: Vec<(DriveId, DriveState)>,
    /// Ranges that are led for the first time.
    pub led: Vec<RangeId>,
    /// Whether the map got its rings and ranges.
    pub formed: bool,
}

impl Followed {
    /// Whether nothing followed.
    pub const fn is_empty(&self) -> bool {
        self.drives.is_empty() && self.led.is_empty() && !self.formed
    }
}

/// Brings the map up to what was heard, as of `now_ms` (since 1970).
pub fn follow_reports(map: &mut ClusterMap, heard: &impl Reports, now_ms: u64) -> Result<Followed, MapError> {
    let (mut changed, mut followed) = (map.clone(), Followed::default());
    for (id, drive) in &mut changed.drives {
        let Some(to) = heard.drive(drive.node, *id) else { continue };
        if drive.enter(to, now_ms).map_err(|from| MapError::Transition { drive: *id, from, to })? {
            followed.drives.push((*id, to));
        }
    }
    for range in changed.all_ranges_mut().filter(|range| !range.initial_voters.is_empty()) {
        if heard.is_led(range.id) {
            range.initial_voters.clear();
            followed.led.push(range.id);
        }
    }
    if can_form(&changed) {
        form(&mut changed)?;
        followed.formed = true;
    }
    *map = changed;
    Ok(followed)
}
