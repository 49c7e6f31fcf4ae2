//! Reports as a storage node gives and takes them: how it is, and what the leader of the map's group heard of all.
//!
//! Promises: a change of the map is known to every member within about a second, whoever made it. A member
//! that is not heard of for a few seconds has its drives marked down in the map, and up again at its next
//! report; a new leader first listens for as long. A drive that says that it is full, or about to stop, is
//! closed, and likewise those of a node whose clock is wrong: each hears how far it is from the median. What is
//! marked is only what writers may leave out and repair may look after: no ring changes.
//! Must not know: how repair works.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_client::{Member, Reporter};
use couronne_metadata::ids::Ordinal;
use couronne_protocol::map::{Intake, MapRange, MapState};
use couronne_protocol::report::{ClockWord, DriveHealth, Report, ReportAnswer};
use couronne_ring::{DriveId, NodeId};
use tokio::time::Instant;

use super::clocks::{NodeClock, median_ms};
use super::{Membership, formation};
use crate::drives::MountedDrive;

/// A member not heard of for so long is taken to be down.
const DOWN_AFTER: Duration = Duration::from_secs(4);

/// What the leader of the map's group has heard. Worth nothing to anyone else.
#[derive(Default)]
pub(super) struct Heard {
    leading_since: Option<Instant>,
    /// Which version of its row the map known here is, as read under this leadership.
    read: Option<Ordinal>,
    members: BTreeMap<NodeId, Said>,
}

/// A member's last report.
struct Said {
    at: Instant,
    report: Report,
    /// The setting of its clock, if it said; the way of the report counts against it.
    setting_ms: Option<i64>,
}

/// A member as the leader of the map's group knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardMember {
    /// Which.
    pub node: NodeId,
    /// How long ago it reported.
    pub ago: Duration,
    /// The version of its binary; empty: it did not say.
    pub build: String,
    /// How far its clock is ahead of the median of the storage nodes', in milliseconds, if that is known.
    pub clock_ms: Option<i64>,
}

impl Heard {
    /// Notes whether this node leads now. What was heard under an earlier leadership is forgotten.
    fn lead(&mut self, leads: bool) {
        if !leads {
            *self = Self::default();
        } else if self.leading_since.is_none() {
            (self.leading_since, self.read) = (Some(Instant::now()), None);
        }
    }

    /// How a drive is; `None` while it is too early to say.
    fn health(&self, node: NodeId, drive: DriveId) -> Option<DriveHealth> {
        let said = |report: &Report| report.drives.iter().find(|(id, _)| *id == drive).map(|(_, health)| *health);
        match self.members.get(&node) {
            Some(Said { at, report, .. }) if at.elapsed() < DOWN_AFTER => {
                Some(said(report).unwrap_or(DriveHealth::Failed))
            }
            _ if self.leading_since.is_none_or(|since| since.elapsed() < DOWN_AFTER) => None,
            _ => Some(DriveHealth::Failed),
        }
    }

    /// Whether anyone says that it leads the range.
    pub(super) fn is_led(&self, range: &MapRange) -> bool {
        self.members.values().any(|said| said.report.leads.contains(&range.id))
    }

    /// The median of the clocks of the storage nodes that were heard of lately, as the leader `own` asks for
    /// it. Gateways have no say: nothing is deleted on their word.
    fn median_ms(&self, map: &MapState, own: NodeId) -> Option<i64> {
        let lately = |id: &NodeId| self.members.get(id).filter(|said| said.at.elapsed() < DOWN_AFTER);
        let clock = |said: &Said| Some(NodeClock { setting_ms: said.setting_ms?, doubted: said.report.doubts_clock });
        let clocks = map.storage_nodes().filter_map(|(id, _)| lately(id).and_then(clock));
        median_ms(clocks, map.storage_nodes().count(), self.members.get(&own)?.setting_ms?)
    }

    /// Those that reported under this leadership, the leader `own` among them.
    pub(super) fn members(&self, map: &MapState, own: NodeId) -> Vec<HeardMember> {
        let median_ms = self.median_ms(map, own);
        let member = |(node, said): (&NodeId, &Said)| HeardMember {
            node: *node,
            ago: said.at.elapsed(),
            build: said.report.build.clone(),
            clock_ms: said.setting_ms.zip(median_ms).map(|(setting, median)| setting.saturating_sub(median)),
        };
        self.members.iter().map(member).collect()
    }
}

#[async_trait]
impl Member for Membership {
    fn own_report(&self) -> Report {
        let health = |drive: &MountedDrive| match (drive.down(), drive.intake()) {
            (Some(_), _) => DriveHealth::Failed,
            // Until its clock is right again it is to lead nothing.
            (None, _) if self.clock.differs().is_some() => DriveHealth::Leaving,
            (None, Intake::Full) => DriveHealth::Full,
            (None, Intake::Leaving) => DriveHealth::Leaving,
            (None, Intake::Open) => DriveHealth::Serving,
        };
        let drives = self.drives.mounted().map(|drive| (drive.id, health(&drive))).collect();
        let servers = self.replicas.all_servers();
        let leads = servers.iter().filter(|server| server.is_ready()).map(|server| server.descriptor().id).collect();
        let build = env!("CARGO_PKG_VERSION").to_owned();
        let (wall_ms, doubts_clock) = (self.env.clock.wall_ms(), self.clock.doubts());
        Report { map_version: self.map().version, drives, leads, build, wall_ms, doubts_clock }
    }

    async fn report_here(&self) -> bool {
        let leads = self.leads_map();
        self.heard.lock().lead(leads);
        if leads {
            let answer = self.take_report(self.id, self.own_report());
            self.hear_of_clock(answer.clock);
            self.learn_from_group().await;
        }
        leads
    }

    async fn learn(&self, map: MapState, _: Bytes) {
        if let Err(error) = self.map_store.adopt(map).await {
            tracing::error!(%error, "a newer map could not be kept");
        }
    }

    /// A node that is alone has nobody to ask.
    fn hear_of_clock(&self, word: ClockWord) {
        match word {
            ClockWord::Unknown if !self.is_alone() => self.clock.told(None),
            ClockWord::Ahead(ms) if !self.is_alone() => self.clock.told(Some(ms)),
            _ => {}
        }
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

    /// Learns of what others changed, where the map's group is led: all others are told by this node.
    async fn learn_from_group(&self) {
        let known = self.heard.lock().read;
        match self.map_store.read_map(known).await {
            Ok(read) => self.heard.lock().read = read,
            Err(error) => tracing::warn!(%error, "the map is read later"),
        }
    }

    /// Takes a member's report.
    pub(crate) fn take_report(&self, from: NodeId, report: Report) -> ReportAnswer {
        let map = self.map();
        let newer = map.version > report.map_version;
        let leads = self.leads_map();
        let mut clock = ClockWord::Unsaid;
        if leads {
            let steady_ms = i64::try_from(self.env.clock.steady().as_millis()).unwrap_or(i64::MAX);
            let wall_ms = i64::try_from(report.wall_ms).ok().filter(|wall_ms| *wall_ms > 0);
            let setting_ms = wall_ms.map(|wall_ms| wall_ms.saturating_sub(steady_ms));
            let mut heard = self.heard.lock();
            heard.members.insert(from, Said { at: Instant::now(), report, setting_ms });
            clock = match (heard.median_ms(&map, self.id), setting_ms) {
                (Some(median_ms), Some(setting_ms)) => ClockWord::Ahead(setting_ms.saturating_sub(median_ms)),
                _ => ClockWord::Unknown,
            };
        }
        let leader = self.replicas.map_leader_hint();
        ReportAnswer { leader, map: if newer { map.encode() } else { Bytes::new() }, clock }
    }

    /// Whether the leader of the meta group is here.
    pub(crate) fn leads_map(&self) -> bool {
        self.replicas.leads_map()
    }

    /// Has the map say how its members are. Only where the map's group is led.
    pub(crate) async fn keep_map(&self) {
        let now_ms = self.env.clock.wall_ms();
        if !self.update(&mut MapState::clone(&self.map()), now_ms) {
            return;
        }
        let changed = self.map_store.update(|map| {
            let mut changed = self.update(map, now_ms);
            if formation::can_form(map) {
                formation::form(map)?;
                changed = true;
            }
            Ok(changed)
        });
        if let Err(error) = changed.await {
            tracing::warn!(%error, "the map says later how its members are");
        }
    }

    /// Brings the map up to what was heard; whether that changed it, or would.
    fn update(&self, map: &mut MapState, now_ms: u64) -> bool {
        let heard = self.heard.lock();
        let mut changed = formation::can_form(map);
        for (id, drive) in &mut map.drives {
            let Some(health) = heard.health(drive.node, *id) else { continue };
            let (down_since_ms, intake) = match health {
                DriveHealth::Failed => (drive.down_since_ms.or(Some(now_ms)), Intake::Open),
                DriveHealth::Serving => (None, Intake::Open),
                DriveHealth::Full => (None, Intake::Full),
                DriveHealth::Leaving => (None, Intake::Leaving),
            };
            if (down_since_ms.is_some(), intake) != (drive.down_since_ms.is_some(), drive.intake) {
                tracing::info!(drive = %id, ?health, "a drive's state changes in the map");
                (drive.down_since_ms, drive.intake) = (down_since_ms, intake);
                changed = true;
            }
        }
        let unborn =
            std::iter::once(&mut map.keepers).chain(&mut map.ranges).filter(|range| !range.founders.is_empty());
        for range in unborn {
            if heard.is_led(range) {
                range.founders.clear();
                changed = true;
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_leader_says_nothing_of_those_whom_it_has_not_listened_to() {
        let (node, drive) = (NodeId(1), DriveId(2));
        let mut heard = Heard::default();
        assert_eq!(heard.health(node, drive), None, "it leads, and has not noticed yet");
        heard.lead(true);
        sleep(DOWN_AFTER / 2).await;
        assert_eq!(heard.health(node, drive), None);
        sleep(DOWN_AFTER).await;
        assert_eq!(heard.health(node, drive), Some(DriveHealth::Failed));
        let report = Report { drives: vec![(drive, DriveHealth::Leaving)], ..Report::default() };
        heard.members.insert(node, Said { at: Instant::now(), report, setting_ms: None });
        assert_eq!(heard.health(node, drive), Some(DriveHealth::Leaving));
        assert_eq!(heard.health(node, DriveId(3)), Some(DriveHealth::Failed), "it does not name it");
        sleep(DOWN_AFTER).await;
        assert_eq!(heard.health(node, drive), Some(DriveHealth::Failed));
    }
}
