//! The node's part in its cluster: its copy of the map, reports and what they lead to, who joins, what forms.
//!
//! Promises: a change of the map stands on this node's drives before anything here acts on it.
//! Must not know: requests, duties.

mod file;
mod founding;
mod joining;
mod leaving;
mod map_store;
mod policies;
mod recollection;
mod registration;
mod replacement;
mod reports;
mod survey;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_cluster::map::ClusterMap;
use couronne_protocol::map::SharedMap;
use couronne_protocol::transport::Transport;
use couronne_ring::NodeId;
use parking_lot::Mutex;

pub(crate) use self::map_store::MapStore;
use self::reports::Heard;
pub use self::reports::MemberLiveness;
pub(crate) use self::survey::survey;
use crate::clock::ClockGuard;
use crate::drives::Drives;
use crate::replicas::Replicas;
use crate::stop::StopSignal;
use crate::surroundings::Surroundings;

/// The node as a member of its cluster.
pub struct Membership {
    env: Env,
    id: NodeId,
    /// How long certificates serve that this node signs.
    certificate_lifetime: Duration,
    drives: Arc<Drives>,
    replicas: Arc<Replicas>,
    /// The newest map known here.
    pub(crate) map: Arc<SharedMap>,
    pub(crate) map_store: Arc<MapStore>,
    /// The way to other nodes, if there are any.
    pub(crate) transport: Option<Arc<dyn Transport>>,
    heard: Mutex<Heard>,
    pub(crate) clock: Arc<ClockGuard>,
    stop: Arc<StopSignal>,
}

impl Membership {
    /// The membership of a node that signs certificates for `certificate_lifetime`.
    pub(crate) fn new(
        surroundings: Surroundings,
        drives: Arc<Drives>,
        replicas: Arc<Replicas>,
        map_store: Arc<MapStore>,
        certificate_lifetime: Duration,
    ) -> Self {
        let Surroundings { env, id, map, transport, clock, stop } = surroundings;
        let heard = Mutex::default();
        Self { env, id, certificate_lifetime, drives, replicas, map, map_store, transport, heard, clock, stop }
    }

    /// The newest map known here.
    pub(crate) fn map(&self) -> Arc<ClusterMap> {
        self.map.state()
    }

    /// Whether there are no other nodes.
    pub(crate) const fn is_alone(&self) -> bool {
        self.transport.is_none()
    }

    /// What the leader of the meta group heard of members, and how many ranges none of them says that it leads;
    /// elsewhere nothing.
    pub(crate) fn heard_of(&self) -> (Vec<MemberLiveness>, u64) {
        if !self.leads_map() {
            return (Vec::new(), 0);
        }
        let (map, heard) = (self.map(), self.heard.lock());
        (heard.members(&map, self.id), heard.leaderless(&map))
    }
}
