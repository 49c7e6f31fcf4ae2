//! The status of the whole cluster: what every storage node says of itself, put together.
//!
//! Promises: a node that does not answer in time is shown as such, and holds up nobody.
//! Must not know: how it is asked for or shown.

mod sums;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use couronne_admin::types::{self, ClusterStatus, Drive, Node, NodeRole, Range, RangeFacts};
use couronne_cluster::changes::awaited_members;
use couronne_cluster::map::{ClusterMap, MapNode};
use couronne_cluster::report::CertificateReport;
use couronne_cluster::{DriveState, Role, WriteState};
use couronne_protocol::map::SharedMap;
use couronne_protocol::transport::{Message, Method, Transport};
use couronne_ring::{DriveId, NodeId};
use couronne_storage_node::node::RangeStatus;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::durability;
use super::map::{drive_state, role};
use super::messages::{DriveMessage, MemberMessage, StatusMessage};
use super::process_status::{self, StatusSource};
use super::safety::{self, KnownLosses};
use sums::{add_repair, joined_scrub};

/// How long a node may take to say how it is.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// A drive that came back emptied so long ago, in milliseconds, is full again.
const REFILL_MS_MAX: u64 = 86_400_000;

/// A gateway whose last node report is older, in milliseconds, is shown as one that does not answer.
const GATEWAY_REPORT_AGE_MS_MAX: u64 = 4000;

/// Where the status of the cluster comes from.
pub(crate) struct ClusterStatusSource {
    /// This process.
    pub(crate) own: Arc<StatusSource>,
    /// The storage node of this process, if it has one.
    pub(crate) id: Option<NodeId>,
    /// The newest map known here.
    pub(crate) map: Arc<SharedMap>,
    /// The way to other nodes, if there are any.
    pub(crate) transport: Option<Arc<dyn Transport>>,
    /// When each range's leader was last heard of here.
    pub(crate) heard: LastHeard,
}

/// When each range's leader last said anything to this process, in milliseconds since 1970, by the range's number.
#[derive(Default)]
pub(crate) struct LastHeard(Mutex<BTreeMap<u64, u64>>);

impl LastHeard {
    /// Notes of which ranges a leader says something, and says of the others since when none does: since this process
    /// or the meta group's leader last heard of one, or since this process began.
    fn note_silence(&self, ranges: &mut [Range], now_ms: u64, began_ms: u64, led_ago_ms: &BTreeMap<u64, u64>) {
        let mut heard = self.0.lock();
        for range in ranges {
            if range.facts.is_some() {
                heard.insert(range.range, now_ms);
            } else {
                let led_ms = led_ago_ms.get(&range.range).map(|ago_ms| now_ms.saturating_sub(*ago_ms));
                let last_ms = heard.get(&range.range).copied().max(led_ms).unwrap_or(began_ms);
                range.silent_since_ms = Some(last_ms.min(now_ms));
            }
        }
    }
}

impl ClusterStatusSource {
    /// How the cluster is.
    pub(crate) async fn read(&self) -> ClusterStatus {
        let map = self.map.state();
        let own = self.own.read().await;
        // The drives of those that were expelled are the cluster's still.
        let nodes = || map.nodes.iter().filter(|(_, node)| node.role == Role::StorageNode);
        let asked = nodes().map(|(id, _)| self.ask(*id, &own));
        let said = join_all(asked).await;
        let mut status = ClusterStatus {
            version: own.version,
            cluster: format!("{:032x}", map.cluster),
            policy: map.redundancy().map_or_else(String::new, |redundancy| redundancy.to_string()),
            uptime_s: self.own.uptime_s(),
            listen: self.own.listen().to_string(),
            now_ms: self.own.now_ms(),
            map_version: own.map_version,
            promise: durability::default_promise(&map),
            ..ClusterStatus::default()
        };
        let behind = behind(own.map_version, &said.iter().flatten().map(|said| said.map_version).collect::<Vec<_>>());
        let known_losses = || said.iter().flatten().map(|said| said.loss_version);
        let loss_version = known_losses().fold(own.loss_version, u64::max);
        let is_behind =
            |said: &Option<StatusMessage>| said.as_ref().is_some_and(|said| said.loss_version < loss_version);
        let behind_losses = nodes().zip(&said).filter(|(_, said)| is_behind(said));
        let behind_losses = behind_losses.map(|((_, node), _)| node.name.to_string()).collect();
        let (mut scrub, mut members, mut led_ago_ms) = (None, Vec::new(), BTreeMap::new());
        let seen = |range| process_status::range(&RangeStatus::unseen(range, map.metadata_replicas()));
        let mut ranges: BTreeMap<u64, Range> = map.all_ranges().map(|range| (range.id.0, seen(range))).collect();
        for ((id, node), said) in nodes().zip(said) {
            status.nodes.push(node_of(&map, *id, node, said.as_ref()));
            let Some(said) = said else {
                status.drives.extend(map.drives_of(*id).map(|drive| silent_drive(drive, &node.name)));
                continue;
            };
            for (name, count) in said.background {
                *status.background.entry(name).or_default() += count;
            }
            add_repair(&mut status.repair, &said.repair);
            scrub = Some(joined_scrub(scrub, said.scrub));
            status.halted = status.halted.take().or(said.halted);
            status.time_lag_ms = status.time_lag_ms.max(said.time_lag_ms);
            status.drives.extend(said.drives.into_iter().map(|drive| drive_of(drive, &node.name)));
            said.ranges.into_iter().for_each(|range| merge(&mut ranges, range));
            members.extend(said.members);
            led_ago_ms.extend(said.led_ago_ms);
        }
        status.scrub = scrub.unwrap_or_default();
        status.ranges = ranges.into_values().collect();
        let began_ms = status.now_ms.saturating_sub(status.uptime_s.saturating_mul(1000));
        self.heard.note_silence(&mut status.ranges, status.now_ms, began_ms, &led_ago_ms);
        let pending = status.repair.pending;
        // Nobody can say how the blobs are of a range that nobody leads.
        let unled = status.ranges.iter().filter(|range| range.leader.is_none()).count();
        status.repair.pending += u64::try_from(unled.saturating_add(behind)).unwrap_or(u64::MAX);
        let gateways = map.nodes.iter().filter(|(_, node)| node.role == Role::Gateway);
        status.gateways = gateways.map(|(id, node)| node_of(&map, *id, node, None)).collect();
        status.authority_waits_for = authority_waits_for(&map, &members);
        add_members(&mut status, members);
        complete_drives(&map, &mut status);
        let losses = KnownLosses { version: loss_version, behind: behind_losses, pending };
        status.durability = durability::durability(&map, &status);
        status.durability.safety = safety::safety(&status, &losses);
        for nodes in [&mut status.nodes, &mut status.gateways] {
            nodes.sort_by(|one, other| one.name.cmp(&other.name));
        }
        status.drives.sort_by(|one, other| (&one.node, &one.folder).cmp(&(&other.node, &other.folder)));
        status
    }

    async fn ask(&self, node: NodeId, own: &StatusMessage) -> Option<StatusMessage> {
        if self.id == Some(node) {
            return Some(own.clone());
        }
        let transport = self.transport.as_ref()?;
        let call = transport.call(node, Method::Status, Message::default());
        let answer = timeout(ANSWER_WAIT, call).await.ok()?.ok()?;
        serde_json::from_slice(&answer.head).ok()
    }
}

/// How many nodes do not know the newest map yet: they judge by drives that stand otherwise by now.
fn behind(own: u64, versions: &[u64]) -> usize {
    let newest = versions.iter().copied().fold(own, u64::max);
    versions.iter().filter(|version| **version < newest).count()
}

/// A drive of a node, as the node says; what the map knows is still to be added.
fn drive_of(said: DriveMessage, node: &str) -> Drive {
    let state = match said.down_reason {
        Some(_) if said.slow => types::DriveState::Slow,
        Some(_) => types::DriveState::Down,
        None => types::DriveState::Writable,
    };
    Drive {
        id: said.id,
        node: node.to_owned(),
        state,
        folder: said.folder,
        down_reason: said.down_reason,
        full: said.full,
        total_bytes: said.total_bytes,
        free_bytes: said.free_bytes,
        live_bytes: said.live_bytes,
        dead_bytes: said.dead_bytes,
        log_bytes: said.log_bytes,
        scrubbed_ms: said.scrubbed_ms,
        unscrubbed_since_ms: said.unscrubbed_since_ms,
        ..Drive::default()
    }
}

/// A drive of a node that does not answer.
fn silent_drive(id: DriveId, node: &str) -> Drive {
    let down_reason = Some("its node does not answer".to_owned());
    Drive { id: id.to_string(), node: node.to_owned(), state: types::DriveState::Down, down_reason, ..Drive::default() }
}

/// Each node knows of its own replicas; together they know all. Of two that say that they lead, the later one counts.
fn merge(ranges: &mut BTreeMap<u64, Range>, said: Range) {
    let unsaid = || Range { serving: Vec::new(), leader: None, facts: None, ..said.clone() };
    let range = ranges.entry(said.range).or_insert_with(unsaid);
    let is_later = |facts: RangeFacts| range.facts.is_none_or(|known| known.term < facts.term);
    if said.facts.is_some_and(is_later) {
        (range.facts, range.leader) = (said.facts, said.leader);
    } else {
        range.leader = range.leader.take().or(said.leader);
    }
    range.settled &= said.settled;
    range.serving.extend(said.serving);
}

fn node_of(map: &ClusterMap, id: NodeId, node: &MapNode, said: Option<&StatusMessage>) -> Node {
    let down = || map.drives.values().filter(|drive| drive.node == id).map(|drive| drive.down_since_ms);
    Node {
        name: node.name.to_string(),
        id: id.to_string(),
        role: role(node.role),
        region: node.region.0.to_string(),
        zone: node.zone.0.to_string(),
        address: node.address.to_string(),
        answers: said.is_some(),
        version: said.map(|said| said.version.clone()),
        down_since_ms: if down().all(|since| since.is_some()) { down().flatten().max() } else { None },
        drives: map.drives_of(id).count(),
        expelled_ms: map.expelled.get(&id).copied(),
        ..Node::default()
    }
}

/// The members that the rotation of the certificate authority waits for, by name; `None` if there is no rotation.
fn authority_waits_for(map: &ClusterMap, members: &[MemberMessage]) -> Option<Vec<String>> {
    let said = |node: NodeId| {
        let member = members.iter().find(|member| member.id == node.to_string())?;
        member.certificate.map(|(trusted, signed_by)| CertificateReport { trusted, signed_by })
    };
    let name = |node: NodeId| map.nodes.get(&node).map_or_else(|| node.to_string(), |node| node.name.to_string());
    map.authorities.is_rotating().then(|| {
        let mut names: Vec<String> = awaited_members(map, said).into_iter().map(name).collect();
        names.sort_unstable();
        names
    })
}

/// Adds what the leader of the meta group knows of the members.
fn add_members(status: &mut ClusterStatus, members: Vec<MemberMessage>) {
    let members: BTreeMap<String, MemberMessage> =
        members.into_iter().map(|member| (member.id.clone(), member)).collect();
    for node in status.nodes.iter_mut().chain(&mut status.gateways) {
        let Some(member) = members.get(&node.id) else { continue };
        node.report_age_ms = Some(member.report_age_ms);
        node.clock_offset_ms = member.clock_offset_ms;
        node.version = node.version.take().or(Some(member.version.clone()).filter(|version| !version.is_empty()));
        if node.role == NodeRole::Gateway {
            node.answers = member.report_age_ms < GATEWAY_REPORT_AGE_MS_MAX;
        }
    }
}

/// Adds what the map knows of drives, and how they stand by that.
fn complete_drives(map: &ClusterMap, status: &mut ClusterStatus) {
    let now_ms = status.now_ms;
    let is_filling = status.repair.pending_chunks > 0;
    for drive in &mut status.drives {
        let Some(known) = DriveId::parse(&drive.id).and_then(|id| map.drives.get(&id)) else { continue };
        if let Some(node) = map.nodes.get(&known.node) {
            drive.region = node.region.0.to_string();
            drive.zone = node.zone.0.to_string();
        }
        drive.down_since_ms = known.down_since_ms;
        drive.expelled_ms = map.expelled.get(&known.node).copied();
        drive.emptied_times = known.emptied.times;
        drive.loss_version = known.loss_version();
        drive.loss_ms = known.lost_version.and(known.down_since_ms).or(known.emptied.last_ms);
        let state = match drive.down_reason {
            Some(_) if known.lost_version.is_some() => DriveState::LOST,
            Some(_) if drive.state == types::DriveState::Slow => DriveState::SLOW,
            Some(_) => DriveState::DOWN,
            None if drive.full && known.writes == WriteState::Writable => DriveState::up(WriteState::Full),
            None => DriveState::up(known.writes),
        };
        let is_refilling = is_filling
            && known.emptied.times > 0
            && known.emptied.last_ms.is_none_or(|last_ms| now_ms < last_ms.saturating_add(REFILL_MS_MAX));
        drive.state = if state.is_up() && is_refilling { types::DriveState::Refilling } else { drive_state(state) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_with_an_older_map_is_behind() {
        assert_eq!(behind(7, &[7, 7, 7]), 0);
        assert_eq!(behind(7, &[7, 6, 5]), 2);
        assert_eq!(behind(6, &[6, 6, 7]), 2, "another node knows more than the one that is asked");
        assert_eq!(behind(9, &[8]), 1);
    }

    fn said(term: u64, leader: &str, serving: &str) -> Range {
        let facts = (term > 0).then(|| RangeFacts { term, ..RangeFacts::default() });
        let leader = (!leader.is_empty()).then(|| leader.to_owned());
        Range { range: 1, leader, facts, serving: vec![serving.to_owned()], settled: true, ..Range::default() }
    }

    #[test]
    fn of_two_that_say_that_they_lead_the_later_one_counts() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let says = [said(3, "a", "a"), said(4, "b", "b"), Range { settled: false, ..said(0, "", "c") }];
            let mut ranges = BTreeMap::new();
            order.into_iter().for_each(|at: usize| merge(&mut ranges, says[at].clone()));
            let range = &ranges[&1];
            assert_eq!((range.leader.as_deref(), range.facts.map(|facts| facts.term)), (Some("b"), Some(4)));
            assert!(range.serving.len() == 3 && !range.settled);
        }
    }

    #[test]
    fn a_range_is_silent_since_its_leader_was_last_heard_of() {
        let heard = LastHeard::default();
        let silence = |of: [u64; 3], now_ms, led_ago_ms: &[(u64, u64)]| {
            let mut ranges = of.map(|term| said(term, "a", "a"));
            (1..).zip(&mut ranges).for_each(|(number, range)| range.range = number);
            heard.note_silence(&mut ranges, now_ms, 500, &led_ago_ms.iter().copied().collect());
            ranges.map(|range| range.silent_since_ms)
        };
        assert_eq!(silence([1, 0, 0], 1000, &[(2, 100)]), [None, Some(900), Some(500)]);
        assert_eq!(silence([0, 0, 1], 2000, &[]), [Some(1000), Some(500), None]);
        assert_eq!(silence([0, 0, 0], 3000, &[(1, 900)]), [Some(2100), Some(500), Some(2000)]);
    }
}
