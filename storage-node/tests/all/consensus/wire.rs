//! An in-memory transport between nodes: it delays, loses and repeats messages as its seed says, and
//! can be cut one way or both.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couronne_base::testing::Rng;
use couronne_cluster::Role;
use couronne_protocol::transport::{CallError, Message, Method, Peer, Rejection, Transport};
use couronne_ring::{DriveId, NodeId};
use couronne_storage_node::consensus::types::ReplicaId;
use couronne_storage_node::consensus::{Directory, RaftService};
use parking_lot::Mutex;

/// What goes wrong, in percent of messages.
#[derive(Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) delay_ms_max: u64,
    pub(crate) lost_requests: u64,
    pub(crate) lost_answers: u64,
    pub(crate) repeated: u64,
}

pub(crate) const CALM: Weather = Weather { delay_ms_max: 2, lost_requests: 0, lost_answers: 0, repeated: 0 };
pub(crate) const STORMY: Weather = Weather { delay_ms_max: 25, lost_requests: 4, lost_answers: 4, repeated: 10 };

struct State {
    rng: Rng,
    weather: Weather,
    receivers: BTreeMap<NodeId, Arc<RaftService>>,
    cut: BTreeSet<(NodeId, NodeId)>,
    places: BTreeMap<DriveId, NodeId>,
    /// Replicas that the map does not name.
    unnamed: BTreeSet<ReplicaId>,
    /// After so many more messages of snapshots to a node, what it is sent is lost.
    cut_snapshot: BTreeMap<NodeId, u64>,
    sent: BTreeMap<&'static str, u64>,
    last: BTreeMap<&'static str, (NodeId, NodeId, Message)>,
}

/// The network between the nodes.
pub(crate) struct Wires(Mutex<State>);

impl Wires {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            rng: Rng::new(seed),
            weather: CALM,
            receivers: BTreeMap::new(),
            cut: BTreeSet::new(),
            places: BTreeMap::new(),
            unnamed: BTreeSet::new(),
            cut_snapshot: BTreeMap::new(),
            sent: BTreeMap::new(),
            last: BTreeMap::new(),
        })))
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.0.lock().weather = weather;
    }

    pub(crate) fn connect(&self, node: NodeId, drive: DriveId, receiver: Arc<RaftService>) {
        let mut state = self.0.lock();
        state.receivers.insert(node, receiver);
        state.places.insert(drive, node);
    }

    pub(crate) fn disconnect(&self, node: NodeId) {
        self.0.lock().receivers.remove(&node);
    }

    /// Cuts or mends the way from one node to another (one direction).
    pub(crate) fn cut(&self, from: NodeId, to: NodeId, cut: bool) {
        let mut state = self.0.lock();
        if cut {
            state.cut.insert((from, to))
        } else {
            state.cut.remove(&(from, to))
        };
    }

    pub(crate) fn cut_snapshot_after(&self, to: NodeId, messages: u64) {
        self.0.lock().cut_snapshot.insert(to, messages);
    }

    pub(crate) fn mend_snapshots(&self) {
        self.0.lock().cut_snapshot.clear();
    }

    /// Has the map name a replica no more.
    pub(crate) fn unname(&self, replica: ReplicaId) {
        self.0.lock().unnamed.insert(replica);
    }

    /// How many messages of a method were sent.
    pub(crate) fn sent(&self, method: Method) -> u64 {
        self.0.lock().sent.get(method.name()).copied().unwrap_or(0)
    }

    /// The last message of a method: sender, recipient, bytes.
    pub(crate) fn last(&self, method: Method) -> (NodeId, NodeId, Message) {
        self.0.lock().last[method.name()].clone()
    }

    pub(crate) fn receiver(&self, node: NodeId) -> Arc<RaftService> {
        self.0.lock().receivers[&node].clone()
    }
}

impl Directory for Wires {
    fn node_of(&self, drive: DriveId) -> Option<NodeId> {
        self.0.lock().places.get(&drive).copied()
    }

    fn hears(&self, _: ReplicaId, (node, drive, sender): (NodeId, DriveId, ReplicaId)) -> bool {
        self.node_of(drive) == Some(node) && !self.0.lock().unnamed.contains(&sender)
    }
}

impl State {
    fn loses_snapshot(&mut self, to: NodeId, method: Method) -> bool {
        let Some(left) = self.cut_snapshot.get_mut(&to).filter(|_| method == Method::Snapshot) else { return false };
        let lost = *left == 0;
        *left = left.saturating_sub(1);
        lost
    }
}

struct Fate {
    there: Duration,
    back: Duration,
    lost_request: bool,
    lost_answer: bool,
    repeated_after: Option<Duration>,
}

/// One node's end of the wires.
pub(crate) struct Wire {
    pub(crate) from: NodeId,
    pub(crate) wires: Arc<Wires>,
}

impl Wire {
    fn fate(&self, to: NodeId, method: Method, message: &Message) -> Fate {
        let mut state = self.wires.0.lock();
        *state.sent.entry(method.name()).or_default() += 1;
        state.last.insert(method.name(), (self.from, to, message.clone()));
        let weather = state.weather;
        let mut percent = |of: u64| state.rng.below(100) < of;
        let (request, answer, repeated) =
            (percent(weather.lost_requests), percent(weather.lost_answers), percent(weather.repeated));
        let mut delay = || Duration::from_micros(200 + state.rng.below(weather.delay_ms_max * 1000));
        Fate {
            there: delay(),
            back: delay(),
            repeated_after: repeated.then(|| delay() * 4),
            lost_answer: answer,
            lost_request: request || state.loses_snapshot(to, method),
        }
    }

    /// The recipient, if the way to it is open now.
    fn reach(&self, to: NodeId) -> Option<Arc<RaftService>> {
        let state = self.wires.0.lock();
        if state.cut.contains(&(self.from, to)) { None } else { state.receivers.get(&to).cloned() }
    }

    /// Hands a message over. It is answered whether or not anyone still waits.
    async fn deliver(&self, to: NodeId, method: Method, message: Message) -> Option<Result<Message, Rejection>> {
        let receiver = self.reach(to)?;
        let peer = Peer { node: self.from, role: Role::StorageNode };
        tokio::spawn(async move { receiver.serve(peer, method, message).await }).await.ok()
    }
}

#[async_trait]
impl Transport for Wire {
    async fn call(&self, to: NodeId, method: Method, message: Message) -> Result<Message, CallError> {
        let fate = self.fate(to, method, &message);
        if fate.lost_request {
            return pending().await;
        }
        if let Some(later) = fate.repeated_after {
            let (wire, message) = (Self { from: self.from, wires: self.wires.clone() }, message.clone());
            tokio::spawn(async move {
                tokio::time::sleep(fate.there + later).await;
                wire.deliver(to, method, message).await
            });
        }
        tokio::time::sleep(fate.there).await;
        let Some(answer) = self.deliver(to, method, message).await else { return pending().await };
        tokio::time::sleep(fate.back).await;
        let is_cut = self.wires.0.lock().cut.contains(&(to, self.from));
        if is_cut || fate.lost_answer {
            return pending().await;
        }
        Ok(answer?)
    }
}
