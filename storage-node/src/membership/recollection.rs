//! What other nodes remember of this node's drives, asked before a replica here votes, leads or serves.
//!
//! A drive may come back as it was at an earlier time, its copy of the map included. Then nothing on this node says
//! so, and the meta group cannot be asked: this node may be part of the quorum that would answer. But other nodes have
//! copies of the map, and have heard where the drive's log ended a second ago. By these the drive has forgotten its past.
//! Promises: no replica is opened here before most of those that are asked answered, and most of the other voters of
//! the meta group if this node has one; if too few can, then after all that are reachable did.
//! Must not know: how a drive is mounted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use couronne_base::mutant;
use couronne_cluster::map::{ClusterMap, DriveStart};
use couronne_cluster::report::{DriveLogEnd, NodeReport, NodeReportAnswer};
use couronne_protocol::transport::{Message, Method, Transport};
use couronne_ring::{DriveId, NodeId};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::Membership;
use crate::drives::ForgetfulDrives;

/// How long a node may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// The pause before those that did not answer are asked again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// How long a start waits for most of the others. Then those that answered by then are all that can be reached.
pub(super) const RECALL_WAIT: Duration = Duration::from_secs(5);

/// How many nodes are asked beside those with voters of the meta group: each heard the same.
const OTHERS_MAX: usize = 16;

/// What a node answers to a question, of those that answer. A node is asked without a word on the one that asks.
async fn ask(
    nodes: impl IntoIterator<Item = NodeId>,
    question: &NodeReport,
    transport: &dyn Transport,
) -> Vec<(NodeId, NodeReportAnswer)> {
    let asked = nodes.into_iter().map(|node| async move {
        let call = transport.call(node, Method::Report, Message::of(question.encode()));
        let answer = timeout(ANSWER_WAIT, call).await.ok()?.ok()?;
        Some((node, NodeReportAnswer::decode(answer.head).ok()?))
    });
    join_all(asked.collect::<Vec<_>>()).await.into_iter().flatten().collect()
}

/// The maps that nodes have, of those that give theirs.
pub(super) async fn ask_for_maps(
    nodes: impl IntoIterator<Item = NodeId>,
    cluster: u128,
    transport: &dyn Transport,
) -> BTreeMap<NodeId, ClusterMap> {
    let answers = ask(nodes, &NodeReport { is_starting: true, ..NodeReport::default() }, transport).await;
    let map = |answer: NodeReportAnswer| ClusterMap::decode(answer.map).ok().filter(|map| map.cluster == cluster);
    answers.into_iter().filter_map(|(node, answer)| Some((node, map(answer)?))).collect()
}

/// What the others remember.
#[derive(Default)]
struct Recollection {
    /// Maps that are newer than this node's own.
    maps: Vec<ClusterMap>,
    /// Where the logs of this node's drives ended, as was heard last.
    log_ends: Vec<DriveLogEnd>,
}

impl Recollection {
    /// Whether a drive that starts forgot its past. Only maps newer than this node's `own` tell something: by an older
    /// one a drive that was replaced since would be another's. An end that was heard counts if it is of the start that
    /// was registered last: what came before, the map has noted.
    fn has_forgotten(&self, own: &ClusterMap, drive: DriveId, start: &DriveStart) -> bool {
        let newer = || self.maps.iter().filter(|map| map.version > own.version);
        let newest = newer().max_by_key(|map| map.version).unwrap_or(own);
        let Some(known) = newest.drives.get(&drive) else { return false };
        let is_of_last_start = |heard: &&DriveLogEnd| heard.drive == drive && heard.start == known.start;
        let mut ends = self.log_ends.iter().filter(is_of_last_start).filter(|_| !mutant!(IgnoreHeardEnd));
        // A drive that was formatted anew says so itself.
        let is_shorter = known.incarnation == Some(start.incarnation) && ends.any(|heard| start.log_end < heard.end);
        is_shorter || newer().filter_map(|map| map.drives.get(&drive)).any(|known| known.has_forgotten(start))
    }
}

impl Membership {
    /// Adds those of this node's drives that forgot their past by what others remember. A node that is alone asks nobody.
    pub(crate) async fn forgotten_by_others(&self, forgetful: &mut ForgetfulDrives) {
        let Some(transport) = self.transport.clone() else { return };
        let map = self.map();
        let recollection = self.recall(&map, &*transport).await;
        for drive in self.drives.mounted() {
            if recollection.has_forgotten(&map, drive.id, &drive.drive_start()) {
                tracing::warn!(
                    drive = drive.name,
                    "drive was rolled back, as others remember: its replicas begin anew"
                );
                if let Err(error) = drive.begin_anew(&self.env).await {
                    tracing::error!(drive = drive.name, %error, "drive cannot note that it was rolled back");
                }
                forgetful.note(drive.id, &drive.name, &"it was put back to an earlier state, as other nodes remember");
            }
        }
    }

    /// Asks other nodes what they remember, until most of them have answered.
    async fn recall(&self, map: &ClusterMap, transport: &dyn Transport) -> Recollection {
        let (others, voters) = nodes_to_ask(map, self.id);
        let question = NodeReport { map_version: map.version, is_starting: true, ..NodeReport::default() };
        let (began, mut recollection, mut answered) = (Instant::now(), Recollection::default(), BTreeSet::new());
        loop {
            let silent = others.difference(&answered).copied().collect::<Vec<_>>();
            for (node, answer) in ask(silent, &question, transport).await {
                answered.insert(node);
                let newer = ClusterMap::decode(answer.map).ok().filter(|newer| newer.cluster == map.cluster);
                recollection.maps.extend(newer);
                recollection.log_ends.extend(answer.log_ends);
            }
            let most_of =
                |nodes: &BTreeSet<NodeId>| nodes.is_empty() || nodes.intersection(&answered).count() * 2 > nodes.len();
            if (most_of(&others) && most_of(&voters)) || self.stop.is_stopping() {
                return recollection;
            }
            if began.elapsed() >= RECALL_WAIT {
                let (answered, asked) = (answered.len(), others.len());
                tracing::warn!(answered, asked, "too few nodes say what they know of this node's drives: it goes on");
                return recollection;
            }
            sleep(ASK_AGAIN).await;
        }
    }
}

/// The nodes that `own` asks, and those of them that have voters of the meta group, if it has one itself.
fn nodes_to_ask(map: &ClusterMap, own: NodeId) -> (BTreeSet<NodeId>, BTreeSet<NodeId>) {
    let mut voters: BTreeSet<NodeId> =
        map.meta_group.places().filter_map(|(_, drive)| Some(map.drives.get(&drive)?.node)).collect();
    let has_voter = voters.remove(&own);
    // The next ones after this node: so all are asked alike.
    let (before, after): (Vec<NodeId>, Vec<NodeId>) =
        map.storage_nodes().map(|(node, _)| *node).filter(|node| *node != own).partition(|node| *node < own);
    let others = after.into_iter().chain(before).take(OTHERS_MAX);
    let asked = voters.iter().copied().chain(others).collect();
    (asked, if has_voter { voters } else { BTreeSet::new() })
}

#[cfg(test)]
mod tests {
    use couronne_cluster::WriteState;
    use couronne_cluster::changes;
    use couronne_cluster::map::LogEnd;

    use super::*;
    use crate::membership::file::tests::lone_map;

    const DRIVE: DriveId = DriveId(70);

    const fn start(boots: u64, incarnation: u64) -> DriveStart {
        DriveStart { boots, incarnation, start: boots * 100 + incarnation, log_end: LogEnd::START }
    }

    /// A map of this version, in which the drive was last registered like this.
    fn map(version: u64, registered: DriveStart) -> ClusterMap {
        let mut map = lone_map();
        let started = changes::StartedDrive {
            drive: DRIVE,
            start: registered,
            writes: WriteState::Writable,
            has_lost_segments: false,
        };
        changes::register(&mut map, &[started], &[]).unwrap();
        map.version = version;
        map
    }

    #[test]
    fn a_newer_map_tells_that_a_drive_was_put_back_and_an_older_one_nothing() {
        let own = map(10, start(5, 2));
        let again = DriveStart { start: 1, ..start(6, 2) };
        let by = |map: ClusterMap, start: &DriveStart| {
            Recollection { maps: vec![map], log_ends: Vec::new() }.has_forgotten(&own, DRIVE, start)
        };
        assert!(by(map(11, start(6, 2)), &again), "put back by a start");
        assert!(!by(map(11, start(5, 2)), &start(6, 2)));
        // Another node has not heard yet that the drive was replaced.
        assert!(!by(map(9, start(5, 1)), &start(6, 2)));
        assert!(!by(map(10, start(5, 2)), &start(6, 2)));
    }

    #[test]
    fn an_end_that_was_heard_of_the_last_start_tells_that_a_drive_was_put_back() {
        let own = map(10, start(5, 2));
        let end = |offset| LogEnd { file: 3, offset };
        let by = |maps: Vec<ClusterMap>, of: DriveStart, back: DriveStart| {
            let heard = DriveLogEnd { drive: DRIVE, start: of.start, end: end(100) };
            Recollection { maps, log_ends: vec![heard] }.has_forgotten(&own, DRIVE, &back)
        };
        let back = |offset| DriveStart { log_end: end(offset), ..start(6, 2) };
        assert!(by(Vec::new(), start(5, 2), back(99)));
        assert!(!by(Vec::new(), start(5, 2), back(100)));
        assert!(!by(Vec::new(), start(4, 2), back(99)), "of another start");
        assert!(!by(Vec::new(), start(5, 2), DriveStart { incarnation: 3, ..back(99) }), "formatted anew, as is known");
        // Another node knows that the drive was registered since.
        let newer = || vec![map(11, DriveStart { start: 77, ..start(5, 2) })];
        assert!(!by(newer(), start(5, 2), back(99)));
        assert!(by(newer(), DriveStart { start: 77, ..start(5, 2) }, back(99)));
    }
}
