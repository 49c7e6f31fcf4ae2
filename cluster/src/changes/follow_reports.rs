//! What the leader of the meta group learnt from node reports, put into the map.
//!
//! Promises: a drive changes its state only as the tables allow; a range that was led once is never founded again;
//! the cluster is formed as soon as all nodes are there.
//! Must not know: how long a member may be silent.

use couronne_metadata::ids::RangeId;
use couronne_ring::{DriveId, NodeId};

use super::form::{can_form, form};
use super::raise_time::raise_time;
use crate::drive_state::DriveState;
use crate::error::MapError;
use crate::map::{ClusterMap, LogEnd, StoredDrive};
use crate::report::DriveLogEnd;

/// What was heard of the members.
pub trait Reports {
    /// How a drive of a node is; `None` while it is too early to say.
    fn drive(&self, node: NodeId, drive: DriveId) -> Option<DriveState>;

    /// Up to where a drive's log is durable, if its node said so lately.
    fn log_end(&self, node: NodeId, drive: DriveId) -> Option<DriveLogEnd>;

    /// Whether the cluster time and the ends of logs are noted, these also where no log began another file: about once
    /// a minute.
    fn notes_are_due(&self) -> bool;

    /// The cluster time as the leader counts it, in milliseconds since 1970, bounded by what most clocks say; `None`
    /// while that is not known.
    fn time_ms(&self) -> Option<u64>;

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
    /// Whether ends of logs were noted.
    pub log_ends: bool,
    /// Whether the cluster time was noted.
    pub time: bool,
    /// Whether it was noted when drives were emptied.
    pub emptied: bool,
}

impl Followed {
    /// Whether nothing followed.
    pub const fn is_empty(&self) -> bool {
        let notes_nothing = !self.log_ends && !self.time && !self.emptied;
        self.drives.is_empty() && self.led.is_empty() && !self.formed && notes_nothing
    }
}

/// Brings the map up to what was heard, as of `now_ms` (since 1970).
pub fn follow_reports(map: &mut ClusterMap, heard: &impl Reports, now_ms: u64) -> Result<Followed, MapError> {
    let (mut changed, mut followed) = (map.clone(), Followed::default());
    for (id, drive) in &mut changed.drives {
        // What an expelled member said before counts no more.
        let heard = if map.is_expelled(drive.node) { Some(DriveState::DOWN) } else { heard.drive(drive.node, *id) };
        let Some(to) = heard else { continue };
        if drive.enter(to, now_ms).map_err(|from| MapError::Transition { drive: *id, from, to })? {
            followed.drives.push((*id, to));
        }
    }
    for emptied in changed.drives.values_mut().map(|drive| &mut drive.emptied) {
        if emptied.times > 0 && emptied.last_ms.is_none() {
            emptied.last_ms = Some(now_ms);
            followed.emptied = true;
        }
    }
    followed.log_ends = note_log_ends(&mut changed, heard);
    if heard.notes_are_due()
        && let Some(time_ms) = heard.time_ms()
    {
        followed.time = raise_time(&mut changed, time_ms);
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

/// Notes up to where logs are durable: all of them once one began another file, or when they are due.
fn note_log_ends(map: &mut ClusterMap, heard: &impl Reports) -> bool {
    let further = |(id, drive): (&DriveId, &StoredDrive)| {
        let said = heard.log_end(drive.node, *id)?;
        (said.start == drive.start && drive.log_end < said.end).then_some((*id, said.end))
    };
    let further: Vec<(DriveId, LogEnd)> = map.drives.iter().filter_map(further).collect();
    let is_in_another_file =
        |(id, end): &(DriveId, LogEnd)| map.drives.get(id).is_some_and(|drive| drive.log_end.file < end.file);
    let notes = heard.notes_are_due() || further.iter().any(is_in_another_file);
    if !notes {
        return false;
    }
    for (id, end) in &further {
        if let Some(drive) = map.drives.get_mut(id) {
            drive.log_end = *end;
        }
    }
    !further.is_empty()
}
