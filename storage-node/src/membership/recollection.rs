//! What the other voters of the meta group remember of this node's drives, asked before a replica here votes.
//!
//! A drive may come back as it was at an earlier time, its copy of the map included. Then nothing on this node says
//! so, and the meta group cannot be asked: this node may be part of the quorum that would answer. But the other voters
//! have copies of the map, and by these the drive has forgotten its past.
//! Promises: no replica of the meta group is opened here before most of the other voters answered; if too few can, then
//! after all that are reachable did.
//! Must not know: how a drive is mounted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use couronne_cluster::map::{ClusterMap, DriveStart};
use couronne_cluster::report::{NodeReport, NodeReportAnswer};
use couronne_protocol::transport::{Message, Method, Transport};
use couronne_ring::{DriveId, NodeId};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::Membership;

/// How long a node may take to give its map.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// The pause before those that did not answer are asked again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// How long a start waits for most of the other voters. Then those that answered by then are all that can be reached.
const RECALL_WAIT: Duration = Duration::from_secs(5);

/// The maps that nodes have, of those that give theirs. A node is asked without a word on the one that asks.
pub(super) async fn ask_for_maps(
    nodes: impl IntoIterator<Item = NodeId>,
    cluster: u128,
    transport: &dyn Transport,
) -> BTreeMap<NodeId, ClusterMap> {
    let asked = nodes.into_iter().map(|node| async move {
        let call = transport.call(node, Method::Report, Message::of(NodeReport::default().encode()));
        let answer = timeout(ANSWER_WAIT, call).await.ok()?.ok()?;
        let map = ClusterMap::decode(NodeReportAnswer::decode(answer.head).ok()?.map).ok()?;
        (map.cluster == cluster).then_some((node, map))
    });
    join_all(asked.collect::<Vec<_>>()).await.into_iter().flatten().collect()
}

impl Membership {
    /// Those of this node's drives that forgot their past by what the other voters of the meta group remember. A node
    /// that has no voter, or is the only one with voters, asks nobody.
    pub(crate) async fn forgotten_by_others(&self) -> Vec<DriveId> {
        let Some(transport) = self.transport.clone() else { return Vec::new() };
        let map = self.map();
        let voters: BTreeSet<NodeId> =
            map.meta_group.places().filter_map(|(_, drive)| Some(map.drives.get(&drive)?.node)).collect();
        if !voters.contains(&self.id) {
            return Vec::new();
        }
        let others: BTreeSet<NodeId> = voters.into_iter().filter(|node| *node != self.id).collect();
        let (began, mut known) = (Instant::now(), BTreeMap::new());
        while known.len() * 2 <= others.len() && !others.is_empty() {
            let silent = others.iter().copied().filter(|node| !known.contains_key(node)).collect::<Vec<_>>();
            known.extend(ask_for_maps(silent, map.cluster, &*transport).await);
            if known.len() * 2 > others.len() || self.stop.is_stopping() {
                break;
            }
            if began.elapsed() >= RECALL_WAIT {
                let (answered, asked) = (known.len(), others.len());
                tracing::warn!(answered, asked, "too few voters say what they know of this node's drives: it goes on");
                break;
            }
            sleep(ASK_AGAIN).await;
        }
        let mut forgotten = Vec::new();
        for drive in self.drives.mounted() {
            if has_forgotten(&map, known.values(), drive.id, &drive.drive_start()) {
                tracing::warn!(
                    drive = drive.name,
                    "drive was rolled back, as others remember: its replicas begin anew"
                );
                if let Err(error) = drive.begin_anew(&self.env).await {
                    tracing::error!(drive = drive.name, %error, "drive cannot note that it was rolled back");
                }
                forgotten.push(drive.id);
            }
        }
        forgotten
    }
}

/// Whether a drive that starts forgot its past by the maps of others. Only those newer than this node's own tell
/// something: by an older one a drive that was replaced since would be another's.
fn has_forgotten<'a>(
    own: &ClusterMap,
    others: impl IntoIterator<Item = &'a ClusterMap>,
    drive: DriveId,
    start: &DriveStart,
) -> bool {
    let newer = others.into_iter().filter(|map| map.version > own.version);
    newer.filter_map(|map| map.drives.get(&drive)).any(|known| known.has_forgotten(start))
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
        let started = changes::StartedDrive { drive: DRIVE, start: registered, writes: WriteState::Writable };
        changes::register(&mut map, &[started], &[]).unwrap();
        map.version = version;
        map
    }

    #[test]
    fn a_newer_map_tells_that_a_drive_was_put_back_and_an_older_one_nothing() {
        let own = map(10, start(5, 2));
        let again = DriveStart { start: 1, ..start(6, 2) };
        assert!(has_forgotten(&own, [&map(11, start(6, 2))], DRIVE, &again), "put back by a start");
        assert!(!has_forgotten(&own, [&map(11, start(5, 2))], DRIVE, &start(6, 2)));
        // Another node has not heard yet that the drive was replaced.
        assert!(!has_forgotten(&own, [&map(9, start(5, 1))], DRIVE, &start(6, 2)));
        assert!(!has_forgotten(&own, [&map(10, start(5, 2))], DRIVE, &start(6, 2)));
    }
}
