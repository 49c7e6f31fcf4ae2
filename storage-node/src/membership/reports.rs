//! Node reports as a storage node sends and takes them: its own state, and those of all members at the leader of the
//! meta group.
//!
//! Promises: a change of the map is known to every member within about a second, whichever node made it. A member
//! that is not heard of for a few seconds has its drives marked down in the map, and up again at its next
//! report; a new leader first listens for as long. Only a node with a replica of a range says who leads it, and who its
//! group's members are. A node says itself which of its drives are full, and that they are
//! stopping before it does or while its clock is wrong: each hears how far it is from the median. What is
//! marked is only what writers may leave out and repair may look after: no ring changes.
//! Must not know: how repair works.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_client::{Member, Reporter};
use couronne_cluster::changes::{self, NodeClock, median_ms};
use couronne_cluster::map::{ClusterMap, CommittedMembers};
use couronne_cluster::report::{CertificateReport, ClockOffset, DriveLogEnd, NodeReport, NodeReportAnswer};
use couronne_cluster::{DriveState, HeardLogEnds, WriteState};
use couronne_metadata::ids::{Ordinal, RangeId};
use couronne_ring::{DriveId, NodeId};
use tokio::time::Instant;

use super::Membership;
use crate::drives::MountedDrive;
use crate::error::NodeError;

/// A member not heard of for so long is taken to be down.
const DOWN_AFTER: Duration = Duration::from_secs(4);

/// So often the map says what the cluster time is, and up to where logs are durable, if none began another file: what
/// a log loses that was written since is told by the map alone no more.
const NOTE_AGAIN: Duration = Duration::from_secs(60);

/// The node reports that the leader of the meta group took. Worth nothing on any other node, but for where logs end.
#[derive(Default)]
pub(super) struct ReceivedReports {
    leading_since: Option<Instant>,
    /// Which version of its row the map known here is, as read under this leadership.
    read: Option<Ordinal>,
    members: BTreeMap<NodeId, MemberState>,
    /// When a member last said that it leads a range.
    led: BTreeMap<RangeId, Instant>,
    /// When the map last said what the time is, and up to where logs are durable.
    noted: Option<Instant>,
    /// The cluster time as it was counted last, bounded by what most clocks say.
    time_ms: Option<u64>,
    /// After how long a drive that is down is lost, in milliseconds, unless the time is in doubt.
    grace_ms: Option<u64>,
    /// Where logs end. Kept by every member, whether it leads or not.
    log_ends: HeardLogEnds,
}

/// A member's last report.
struct MemberState {
    at: Instant,
    report: NodeReport,
    /// The setting of its clock, if it said; the way of the report counts against it.
    setting_ms: Option<i64>,
}

/// A member as the leader of the meta group knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberLiveness {
    /// Which.
    pub node: NodeId,
    /// How long ago it reported.
    pub ago: Duration,
    /// The version of its binary; empty: it did not say.
    pub build: String,
    /// How far its clock is ahead of the median of the storage nodes', in milliseconds, if that is known.
    pub clock_ms: Option<i64>,
    /// How it stands to the certificate authorities, if it said so.
    pub certificate: Option<CertificateReport>,
}

/// The members as the leader of the meta group knows them; on other nodes none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedMembers {
    /// The members, by the node reports that it took.
    pub members: Vec<MemberLiveness>,
    /// How many ranges none of them says that it leads.
    pub leaderless: u64,
    /// How long ago one of them last said that it leads a range, for each range that one did.
    pub led: Vec<(RangeId, Duration)>,
}

impl ReceivedReports {
    /// How long ago a member last said that it leads a range.
    pub(super) fn led(&self) -> Vec<(RangeId, Duration)> {
        self.led.iter().map(|(range, at)| (*range, at.elapsed())).collect()
    }

    /// Notes whether this node leads now. What was heard under an earlier leadership is forgotten, but where logs end.
    fn lead(&mut self, leads: bool) {
        if !leads {
            *self = Self { log_ends: std::mem::take(&mut self.log_ends), ..Self::default() };
        } else if self.leading_since.is_none() {
            (self.leading_since, self.read) = (Some(Instant::now()), None);
        }
    }

    /// The median of the clocks of the storage nodes that were heard of lately, as the leader `own` asks for
    /// it. Gateways have no say: nothing is deleted on their word.
    fn median_ms(&self, map: &ClusterMap, own: NodeId) -> Option<i64> {
        let lately = |id: &NodeId| self.members.get(id).filter(|said| said.at.elapsed() < DOWN_AFTER);
        let clock =
            |said: &MemberState| Some(NodeClock { setting_ms: said.setting_ms?, doubted: said.report.doubts_clock });
        let clocks = map.storage_nodes().filter_map(|(id, _)| lately(id).and_then(clock));
        median_ms(clocks, map.storage_nodes().count(), self.members.get(&own)?.setting_ms?)
    }

    /// The members that were heard of lately.
    fn lately(&self) -> impl Iterator<Item = (&NodeId, &MemberState)> {
        self.members.iter().filter(|(_, said)| said.at.elapsed() < DOWN_AFTER)
    }

    /// How many ranges of the keyspace no member says that it leads.
    pub(super) fn leaderless(&self, map: &ClusterMap) -> u64 {
        let leaderless = map.ranges.iter().filter(|range| !changes::Reports::is_led(self, range.id)).count();
        u64::try_from(leaderless).unwrap_or(u64::MAX)
    }

    /// The members that reported under this leadership, the leader `own` among them.
    pub(super) fn members(&self, map: &ClusterMap, own: NodeId) -> Vec<MemberLiveness> {
        let median_ms = self.median_ms(map, own);
        let member = |(node, said): (&NodeId, &MemberState)| MemberLiveness {
            node: *node,
            ago: said.at.elapsed(),
            build: said.report.build.clone(),
            clock_ms: said.setting_ms.zip(median_ms).map(|(setting, median)| setting.saturating_sub(median)),
            certificate: said.report.certificate,
        };
        self.members.iter().map(member).collect()
    }
}

impl changes::Reports for ReceivedReports {
    fn drive(&self, node: NodeId, drive: DriveId) -> Option<DriveState> {
        let said = |report: &NodeReport| report.drives.iter().find(|(id, _)| *id == drive).map(|(_, state)| *state);
        match self.members.get(&node) {
            Some(MemberState { at, report, .. }) if at.elapsed() < DOWN_AFTER => {
                Some(said(report).unwrap_or(DriveState::DOWN))
            }
            _ if self.leading_since.is_none_or(|since| since.elapsed() < DOWN_AFTER) => None,
            _ => Some(DriveState::DOWN),
        }
    }

    fn log_end(&self, drive: DriveId) -> Option<DriveLogEnd> {
        self.log_ends.of(drive)
    }

    fn notes_are_due(&self) -> bool {
        self.noted.is_none_or(|at| at.elapsed() >= NOTE_AGAIN)
    }

    fn time_ms(&self) -> Option<u64> {
        self.time_ms
    }

    fn is_led(&self, range: RangeId) -> bool {
        self.lately().any(|(_, said)| said.report.leads.contains(&range))
    }

    fn group(&self, range: RangeId) -> Option<CommittedMembers> {
        let groups = self.members.values().flat_map(|said| &said.report.groups);
        let of_range = groups.filter(|group| group.range == range).map(|group| &group.members);
        of_range.max_by_key(|members| members.index).cloned()
    }

    fn certificate(&self, node: NodeId) -> Option<CertificateReport> {
        self.members.get(&node)?.report.certificate
    }

    fn grace_ms(&self) -> Option<u64> {
        // A leader that has not listened yet knows of no node whether it is there.
        let listens = self.leading_since.is_some_and(|since| since.elapsed() >= DOWN_AFTER);
        self.grace_ms.filter(|_| listens)
    }
}

#[async_trait]
impl Member for Membership {
    fn own_report(&self) -> NodeReport {
        let state = |drive: &MountedDrive| match drive.state() {
            // Until its clock is right again it is to lead nothing.
            state if state.is_up() && self.clock.differs().is_some() => DriveState::up(WriteState::Stopping),
            state => state,
        };
        let known = self.drives.mounted().filter(|drive| !drive.is_new());
        let drives = known.map(|drive| (drive.id, state(&drive))).collect();
        let servers = self.replicas.all_servers();
        let leads = servers.iter().filter(|server| server.is_ready()).map(|server| server.descriptor().id).collect();
        let build = env!("CARGO_PKG_VERSION").to_owned();
        let (wall_ms, doubts_clock) = (Some(self.env.clock.wall_ms()), self.clock.doubts());
        let map_version = self.map().version;
        let marked = |drive: Arc<MountedDrive>| {
            drive.mark_shards();
            drive.log_end()
        };
        let log_ends = self.drives.mounted().map(marked).collect();
        let groups = self.replicas.group_reports();
        let (is_starting, certificate) = (false, *self.certificate.lock());
        NodeReport {
            map_version,
            drives,
            leads,
            build,
            wall_ms,
            doubts_clock,
            log_ends,
            groups,
            is_starting,
            certificate,
        }
    }

    async fn report_here(&self) -> bool {
        let leads = self.leads_map();
        self.reports.lock().lead(leads);
        if leads {
            let answer = self.take_report(self.id, self.own_report());
            self.hear_of_clock(answer.clock);
            self.learn_from_group().await;
        }
        leads
    }

    async fn learn(&self, map: ClusterMap) {
        match self.map_store.adopt(map).await {
            Ok(()) => {}
            // Its only drive is being replaced, or failed, which was said then. A later answer has the map again.
            Err(error @ NodeError::NoneServes) => tracing::debug!(%error, "a newer map is kept later"),
            Err(error) => tracing::error!(%error, "a newer map could not be kept"),
        }
    }

    /// A node that is alone has nobody to ask.
    fn hear_of_clock(&self, word: ClockOffset) {
        match word {
            ClockOffset::Unknown if !self.is_alone() => self.clock.set_offset(None),
            ClockOffset::Ahead(ms) if !self.is_alone() => self.clock.set_offset(Some(ms)),
            _ => {}
        }
    }

    fn hear_of_log_ends(&self, log_ends: Vec<DriveLogEnd>) {
        let (map, now) = (self.map(), self.env.clock.steady());
        self.reports.lock().log_ends.hear(&map, log_ends, now);
    }

    fn is_stopping(&self) -> bool {
        self.stop.is_stopping()
    }
}

impl Membership {
    /// The way of this node's reports.
    pub(crate) fn reporter(&self) -> Reporter {
        Reporter::new(self.transport.clone(), Arc::clone(&self.map), Some(self.id))
    }

    /// Learns of what others changed, where the meta group is led: all others are told by this node.
    async fn learn_from_group(&self) {
        let known = self.reports.lock().read;
        match self.map_store.read_map(known).await {
            Ok(read) => self.reports.lock().read = read,
            Err(error) => tracing::warn!(%error, "the map is read later"),
        }
    }

    /// Takes a member's report. What it says of groups counts only where the map gives it a replica.
    pub(crate) fn take_report(&self, from: NodeId, mut report: NodeReport) -> NodeReportAnswer {
        let map = self.map();
        report.leads.retain(|range| map.has_replica(from, *range));
        report.groups.retain(|group| map.has_replica(from, group.range));
        let newer = map.version > report.map_version;
        let (leads, is_starting, now) = (self.leads_map(), report.is_starting, self.env.clock.steady());
        let mut clock = ClockOffset::Unsaid;
        let mut log_ends = Vec::new();
        if is_starting {
            let reports = self.reports.lock();
            log_ends = map.drives_of(from).filter_map(|drive| reports.log_ends.of(drive)).collect();
        } else if leads {
            let steady_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
            let wall_ms = report.wall_ms.and_then(|wall_ms| i64::try_from(wall_ms).ok());
            let setting_ms = wall_ms.map(|wall_ms| wall_ms.saturating_sub(steady_ms));
            let mut reports = self.reports.lock();
            let known = report.leads.iter().filter(|range| map.range(**range).is_some());
            reports.led.extend(known.map(|range| (*range, Instant::now())));
            // Of its own drives alone a node knows where their logs end.
            let is_own = |said: &&DriveLogEnd| map.drives.get(&said.drive).is_some_and(|drive| drive.node == from);
            reports.log_ends.hear(&map, report.log_ends.iter().filter(is_own).copied(), now);
            log_ends = reports.log_ends.news(now, u64::from_be_bytes(self.env.random_bytes()));
            reports.members.insert(from, MemberState { at: Instant::now(), report, setting_ms });
            clock = match (reports.median_ms(&map, self.id), setting_ms) {
                (Some(median_ms), Some(setting_ms)) => ClockOffset::Ahead(setting_ms.saturating_sub(median_ms)),
                _ => ClockOffset::Unknown,
            };
        }
        let leader = self.replicas.map_leader_hint();
        NodeReportAnswer { leader, map: if newer { map.encode() } else { Bytes::new() }, clock, log_ends }
    }

    /// Whether the leader of the meta group is here.
    pub(crate) fn leads_map(&self) -> bool {
        self.replicas.leads_map()
    }

    /// An operator confirms that the wall clock is right.
    pub(crate) async fn confirm_clock(&self) -> Result<(), NodeError> {
        self.clock.confirm();
        // The next start is to believe it too.
        self.map_store.note_time().await;
        // A clock that the others contradict says nothing of the cluster's.
        if self.clock.differs().is_none() {
            let now_ms = self.env.clock.wall_ms();
            self.map_store.update(|map| Ok(changes::raise_time(map, now_ms))).await?;
        }
        Ok(())
    }

    /// Counts the cluster time on, as far as most clocks say that it has come.
    fn count_time(&self) {
        let steady_ms = i64::try_from(self.env.clock.steady().as_millis()).unwrap_or(i64::MAX);
        let mut reports = self.reports.lock();
        let median_ms = reports.median_ms(&self.map(), self.id).map(|median_ms| median_ms.saturating_add(steady_ms));
        let bound_ms = median_ms.and_then(|median_ms| u64::try_from(median_ms).ok());
        reports.time_ms = bound_ms.map(|bound_ms| self.time.now_ms().min(bound_ms));
    }

    /// Has the map say how its members are. Only where the meta group is led.
    pub(crate) async fn keep_map(&self) {
        let now_ms = self.env.clock.wall_ms();
        self.count_time();
        let is_sure = !self.clock.doubts() && self.clock.differs().is_none();
        let grace_ms = u64::try_from(self.repair_grace.as_millis()).unwrap_or(u64::MAX);
        self.reports.lock().grace_ms = is_sure.then_some(grace_ms);
        let follow = |map: &mut ClusterMap| changes::follow_reports(map, &*self.reports.lock(), now_ms);
        // Mostly there is nothing to do: then the meta group is not asked for its row.
        if follow(&mut ClusterMap::clone(&self.map())).is_ok_and(|followed| followed.is_empty()) {
            return;
        }
        let (mut notes, mut step) = (false, None);
        let changed = self.map_store.update(|map| {
            let followed = follow(map)?;
            (notes, step) = (followed.log_ends || followed.time, followed.authority);
            for (drive, state) in &followed.drives {
                tracing::info!(%drive, %state, "a drive's state changes in the map");
            }
            for placed in &followed.placed {
                tracing::warn!(?placed, "a replica gets another place");
            }
            Ok(!followed.is_empty())
        });
        match changed.await {
            Ok(_) => {
                if notes {
                    self.reports.lock().noted = Some(Instant::now());
                }
                if let Some(step) = step {
                    self.end_step(step).await;
                }
            }
            Err(error) => tracing::warn!(%error, "the map follows the node reports later"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_leader_says_nothing_of_members_that_it_has_not_listened_to() {
        let (node, drive) = (NodeId(1), DriveId(2));
        let mut reports = ReceivedReports::default();
        assert_eq!(changes::Reports::drive(&reports, node, drive), None, "it leads, and has not noticed yet");
        reports.lead(true);
        sleep(DOWN_AFTER / 2).await;
        assert_eq!(changes::Reports::drive(&reports, node, drive), None);
        sleep(DOWN_AFTER).await;
        assert_eq!(changes::Reports::drive(&reports, node, drive), Some(DriveState::DOWN));
        let report =
            NodeReport { drives: vec![(drive, DriveState::up(WriteState::Stopping))], ..NodeReport::default() };
        reports.members.insert(node, MemberState { at: Instant::now(), report, setting_ms: None });
        assert_eq!(changes::Reports::drive(&reports, node, drive), Some(DriveState::up(WriteState::Stopping)));
        assert_eq!(changes::Reports::drive(&reports, node, DriveId(3)), Some(DriveState::DOWN), "it does not name it");
        sleep(DOWN_AFTER).await;
        assert_eq!(changes::Reports::drive(&reports, node, drive), Some(DriveState::DOWN));
    }
}
