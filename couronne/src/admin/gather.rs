//! The status of the whole cluster: what every storage node says of itself, put together.
//!
//! Promises: a node that does not answer in time is shown as such, and holds up nobody.
//! Must not know: how it is asked for or shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use couronne_protocol::map::{MapNode, MapState, SharedMap};
use couronne_protocol::transport::{Message, Method, Transport};
use couronne_ring::NodeId;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::messages::{DriveMessage, NodeMessage, RangeMessage, StatusMessage};
use super::status::StatusSource;

/// How long a node may take to say how it is.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Where the status of the cluster comes from.
pub(crate) struct Gatherer {
    /// This process.
    pub(crate) own: Arc<StatusSource>,
    /// Who this process is; none that serves peers, if it is a gateway.
    pub(crate) id: Option<NodeId>,
    /// The newest map known here.
    pub(crate) map: Arc<SharedMap>,
    /// The way to other nodes, if there are any.
    pub(crate) transport: Option<Arc<dyn Transport>>,
}

impl Gatherer {
    /// How the cluster is.
    pub(crate) async fn read(&self) -> StatusMessage {
        let map = self.map.state();
        let mut status = self.own.read().await;
        let own = (status.version.clone(), std::mem::take(&mut status.drives), std::mem::take(&mut status.ranges));
        let asked = map.storage_nodes().map(|(id, node)| async move { (*id, node, self.ask(*id).await) });
        let mut ranges: BTreeMap<u64, RangeMessage> = BTreeMap::new();
        let (version, mut own_drives, own_ranges) = own;
        for (id, node, said) in join_all(asked).await {
            let is_own = self.id == Some(id);
            let (version, mut drives, said_ranges) = match said {
                _ if is_own => (Some(version.clone()), std::mem::take(&mut own_drives), own_ranges.clone()),
                Some(said) => {
                    for (name, count) in said.background {
                        *status.background.entry(name).or_default() += count;
                    }
                    status.repair.add(&said.repair);
                    (Some(said.version), said.drives, said.ranges)
                }
                None => (None, silent_drives(&map, id), Vec::new()),
            };
            drives.iter_mut().for_each(|drive| drive.node = node.name.to_string());
            status.drives.extend(drives);
            said_ranges.into_iter().for_each(|range| merge(&mut ranges, range));
            status.nodes.push(node_message(id, node, version));
        }
        status.ranges = ranges.into_values().collect();
        // Nobody can say how the blobs are of a range that nobody leads.
        let unled = status.ranges.iter().filter(|range| range.leader.is_none()).count();
        status.repair.pending += u64::try_from(unled).unwrap_or(u64::MAX);
        status
    }

    async fn ask(&self, node: NodeId) -> Option<StatusMessage> {
        let transport = self.transport.as_ref().filter(|_| self.id != Some(node))?;
        let call = transport.call(node, Method::Status, Message::default());
        let answer = timeout(ANSWER_WAIT, call).await.ok()?.ok()?;
        serde_json::from_slice(&answer.head).ok()
    }
}

/// The drives of a node that does not answer, as far as the map knows them.
fn silent_drives(map: &MapState, node: NodeId) -> Vec<DriveMessage> {
    let message = |id: couronne_ring::DriveId| DriveMessage {
        id: id.to_string(),
        node: String::new(),
        folder: None,
        down: Some("its node does not answer".to_owned()),
        total_bytes: 0,
        free_bytes: 0,
        live_bytes: 0,
        dead_bytes: 0,
        log_bytes: 0,
    };
    map.drives_of(node).map(message).collect()
}

/// Each node knows of its own replicas; together they know all.
fn merge(ranges: &mut BTreeMap<u64, RangeMessage>, said: RangeMessage) {
    let range = ranges.entry(said.range).or_insert_with(|| RangeMessage { serving: Vec::new(), ..said.clone() });
    range.leader = range.leader.take().or(said.leader);
    range.serving.extend(said.serving);
}

fn node_message(id: NodeId, node: &MapNode, version: Option<String>) -> NodeMessage {
    NodeMessage {
        name: node.name.to_string(),
        id: id.to_string(),
        region: node.region.0.to_string(),
        zone: node.zone.0.to_string(),
        answers: version.is_some(),
        version,
    }
}
