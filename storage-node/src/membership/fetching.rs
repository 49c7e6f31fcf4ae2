//! A newer map, had from the node whose message the map known here does not account for.
//!
//! A replica that the map names anew may speak up before this node has heard of that by its own next report.
//! Promises: however many such messages come, a node is asked seldom. Must not know: what messages say.

use std::time::Duration;

use couronne_client::Member as _;
use couronne_cluster::map::ClusterMap;
use couronne_cluster::report::NodeReportAnswer;
use couronne_protocol::transport::{Message, Method};
use couronne_ring::NodeId;
use tokio::time::{Instant, timeout};

use super::Membership;

/// How long a node may take to give its map.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// Nobody is asked within this time after another node was.
const PAUSE: Duration = Duration::from_millis(100);

/// When a node was last asked.
pub(super) type LastFetch = Option<Instant>;

impl Membership {
    /// Asks a node for its map; whether the map known here is newer than it was when this was called.
    pub(crate) async fn fetch_map_of(&self, node: NodeId) -> bool {
        let known = self.map().version;
        let Some(transport) = self.transport.clone() else { return false };
        let mut last = self.fetching.lock().await;
        if self.map().version > known {
            return true;
        }
        if last.is_some_and(|last| last.elapsed() < PAUSE) {
            return false;
        }
        *last = Some(Instant::now());
        // It is this node's report as any: its answer has the map, if that is newer.
        let report = Message::of(self.own_report().encode());
        let Ok(Ok(answer)) = timeout(ANSWER_WAIT, transport.call(node, Method::Report, report)).await else {
            return false;
        };
        let map = NodeReportAnswer::decode(answer.head).and_then(|answer| ClusterMap::decode(answer.map));
        if let Some(map) = map.ok().filter(|map| map.cluster == self.map().cluster) {
            self.learn(map).await;
        }
        self.map().version > known
    }
}
