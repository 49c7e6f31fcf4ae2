//! What the leader of the meta group learnt from node reports, put into the map.
//!
//! Promises: a drive changes its state only as the tables allow; a range that was led once is never founded again;
//! the members of a group are those of its latest report; a drive is lost as of one version of the map; the cluster is
//! formed as soon as all nodes are there and the meta group has its voters; replicas of lost drives get other places; a
//! rotation of the certificate authority goes on once all members are ready for it.
//! Must not know: how long a member may be silent.

use std::collections::BTreeMap;

use couronne_metadata::ids::RangeId;
use couronne_ring::{DriveId, NodeId};

use super::authority::{AuthorityStep, follow_certificates};
use super::clock::raise_time;
use super::form::{are_all_there, can_form, complete_meta_group, form};
use super::place_replicas::{Placed, place_replicas};
use crate::drive_state::DriveState;
use crate::error::MapError;
use crate::map::{ClusterMap, CommittedMembers, LogEnd, StoredDrive};
use crate::report::{CertificateReport, DriveLogEnd};

/// What was heard of the members.
pub trait Reports {
    /// How a drive of a node is; `None` while it is too early to say.
    fn drive(&self, node: NodeId, drive: DriveId) -> Option<DriveState>;

    /// Up to where a drive's log is durable, as its node said last.
    fn log_end(&self, drive: DriveId) -> Option<DriveLogEnd>;

    /// Whether the cluster time and the ends of logs are noted, these also where no log began another file: about once
    /// a minute.
    fn notes_are_due(&self) -> bool;

    /// The cluster time as the leader counts it, in milliseconds since 1970, bounded by what most clocks say; `None`
    /// while that is not known.
    fn time_ms(&self) -> Option<u64>;

    /// Whether any member says that it leads the range.
    fn is_led(&self, range: RangeId) -> bool;

    /// The latest members of a range's group that a leader of it told of.
    fn group(&self, range: RangeId) -> Option<CommittedMembers>;

    /// What a member said last of its certificate.
    fn certificate(&self, node: NodeId) -> Option<CertificateReport>;

    /// After how long a drive that is down is lost, in milliseconds; unset: no drive is, for the time is in doubt.
    fn grace_ms(&self) -> Option<u64>;
}

/// What changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Drives, and their states from now on.
    pub drives: Vec<(DriveId, DriveState)>,
    /// Ranges that are led for the first time.
    pub led: Vec<RangeId>,
    /// Ranges whose groups have other members.
    pub groups: Vec<RangeId>,
    /// Replicas that got other places.
    pub placed: Vec<Placed>,
    /// Whether the meta group got the replicas that the cluster is formed with.
    pub completed: bool,
    /// Whether the map got its rings and ranges.
    pub formed: bool,
    /// Whether ends of logs were noted.
    pub log_ends: bool,
    /// Whether the cluster time was noted.
    pub time: bool,
    /// Whether it was noted when drives were emptied.
    pub emptied: bool,
    /// Drives that are lost from now on.
    pub lost: Vec<DriveId>,
    /// The step that the rotation of the certificate authority made.
    pub authority: Option<AuthorityStep>,
}

impl Followed {
    /// Whether nothing followed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
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
    followed.log_ends = note_log_ends(&mut changed, heard, !followed.drives.is_empty());
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
    followed.authority = follow_certificates(&mut changed, |node| heard.certificate(node));
    followed.groups = note_members(&mut changed, heard);
    if are_all_there(&changed) {
        followed.completed = complete_meta_group(&mut changed)?;
    }
    if can_form(&changed) {
        form(&mut changed)?;
        followed.formed = true;
    }
    if let Some(grace_ms) = heard.grace_ms() {
        followed.lost = note_lost(&mut changed, now_ms, grace_ms);
        followed.placed = place_replicas(&mut changed, |range| heard.is_led(range), now_ms, grace_ms);
    }
    *map = changed;
    Ok(followed)
}

/// Notes which drives are lost, as of the map's next version: what they held is to be looked for.
fn note_lost(map: &mut ClusterMap, now_ms: u64, grace_ms: u64) -> Vec<DriveId> {
    let version = map.version.saturating_add(1);
    let is_news = |drive: &StoredDrive| drive.lost_version.is_none() && map.is_lost_at(drive, now_ms, grace_ms);
    let news: Vec<DriveId> = map.drives.iter().filter(|(_, drive)| is_news(drive)).map(|(id, _)| *id).collect();
    for (id, drive) in &mut map.drives {
        if news.contains(id) {
            drive.lost_version = Some(version);
        }
    }
    news
}

/// Notes the members of groups of which something later was heard. Where they are what they ought to be, no replica is
/// leaving any more.
fn note_members(map: &mut ClusterMap, heard: &impl Reports) -> Vec<RangeId> {
    let mut noted = Vec::new();
    let next_replica = map.next_replica;
    for range in map.all_ranges_mut() {
        let Some(members) = heard.group(range.id) else { continue };
        let is_later = range.members.as_ref().is_none_or(|known| known.index < members.index);
        let replicas =
            [&members.voters, &members.earlier_voters, &members.learners].into_iter().flat_map(BTreeMap::keys);
        // An id that was never given is nobody's.
        let are_given = replicas.into_iter().all(|replica| replica.0 < next_replica);
        if is_later && are_given && !members.voters.is_empty() {
            range.members = Some(members);
            noted.push(range.id);
        }
    }
    for range in map.all_ranges_mut().filter(|range| range.is_settled() && !range.leaving.is_empty()) {
        range.leaving.clear();
        noted.push(range.id);
    }
    noted
}

/// Notes up to where logs are durable: all of them once one began another file, when they are due, and when a drive
/// changes its state: what was heard last of one that is down is what it has to have when it comes back.
fn note_log_ends(map: &mut ClusterMap, heard: &impl Reports, changes_drives: bool) -> bool {
    let further = |(id, drive): (&DriveId, &StoredDrive)| {
        let said = heard.log_end(*id)?;
        (said.start == drive.start && drive.log_end < said.end).then_some((*id, said.end))
    };
    let further: Vec<(DriveId, LogEnd)> = map.drives.iter().filter_map(further).collect();
    let is_in_another_file =
        |(id, end): &(DriveId, LogEnd)| map.drives.get(id).is_some_and(|drive| drive.log_end.file < end.file);
    let notes = changes_drives || heard.notes_are_due() || further.iter().any(is_in_another_file);
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
