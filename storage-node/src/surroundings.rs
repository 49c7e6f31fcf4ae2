//! What all parts of a node are given: its identity, time and randomness, the map, the way to other nodes, its end.

use std::sync::Arc;

use couronne_base::env::Env;
use couronne_protocol::map::SharedMap;
use couronne_protocol::transport::Transport;
use couronne_ring::NodeId;

use crate::clock::ClockGuard;
use crate::cluster_time::ClusterTime;
use crate::stop::StopSignal;

/// The surroundings of a node's parts.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) env: Env,
    pub(crate) id: NodeId,
    /// The newest map known here.
    pub(crate) map: Arc<SharedMap>,
    /// The way to other nodes, if there are any.
    pub(crate) transport: Option<Arc<dyn Transport>>,
    pub(crate) clock: Arc<ClockGuard>,
    /// By which locks are judged.
    pub(crate) time: Arc<ClusterTime>,
    pub(crate) stop: Arc<StopSignal>,
}
