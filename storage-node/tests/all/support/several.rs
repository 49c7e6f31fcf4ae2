//! TestCluster nodes in one runtime, joined by a transport in memory that can be cut, one way or both.
//!
//! They found, join and form as processes do: with tokens and certificates; only the way of a message is
//! another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_cluster::map::{Bootstrap, ClusterMap, MapNode};
use couronne_cluster::{RangeDescriptor, Role};
use couronne_metadata::command::{Command, CommandRequest, Expect};
use couronne_metadata::ids::{BucketId, CommitId};
use couronne_metadata::query::{Answer, Query, SystemRow};
use couronne_protocol::join::{Admission, JoinRequest, JoinToken, NotAdmitted, decode_answer};
use couronne_protocol::net::certificates::{Authority, PrivateKey};
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use couronne_protocol::transport::{CallError, Message, Method, Peer, Service, Transport};
use couronne_ring::{DriveId, NodeId, RegionName, ZoneName};
use couronne_storage_node::node::{
    ClusterKey, ClusterKeys, Connect, LocalNode, Membership, NodeService, NodeSettings, TokenPlan,
};
use parking_lot::Mutex;

use super::NodeRig;
use super::rows::key;

/// How long anything may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Net {
    services: Mutex<BTreeMap<NodeId, Arc<NodeService>>>,
    cut: Mutex<BTreeSet<(NodeId, NodeId)>>,
    /// After so many more messages of snapshots to a node, what it is sent of them is lost.
    snapshots: Mutex<BTreeMap<NodeId, u64>>,
}

impl Net {
    fn loses(&self, from: NodeId, to: NodeId, method: Method) -> bool {
        let mut snapshots = self.snapshots.lock();
        let left = snapshots.get_mut(&to).filter(|_| method == Method::Snapshot);
        let is_over = left.is_some_and(|left| {
            let is_over = *left == 0;
            *left = left.saturating_sub(1);
            is_over
        });
        is_over || self.cut.lock().contains(&(from, to))
    }
}

/// The way from one node to all others.
struct InMemoryTransport {
    net: Weak<Net>,
    from: Peer,
}

#[async_trait]
impl Transport for InMemoryTransport {
    async fn call(&self, to: NodeId, method: Method, message: Message) -> Result<Message, CallError> {
        let unreachable = || CallError::Unreachable("nobody there".to_owned());
        let net = self.net.upgrade().ok_or_else(unreachable)?;
        let service = net.services.lock().get(&to).cloned().ok_or_else(unreachable)?;
        if net.loses(self.from.node, to, method) {
            // What is lost on the way is not refused: nobody says anything.
            tokio::time::sleep(Duration::from_secs(3)).await;
            return Err(CallError::Lost("cut".to_owned()));
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
        let answer = service.serve(self.from, method, message).await?;
        if net.cut.lock().contains(&(to, self.from.node)) {
            tokio::time::sleep(Duration::from_secs(3)).await;
            return Err(CallError::Lost("cut on the way back".to_owned()));
        }
        Ok(answer)
    }
}

/// A machine of the cluster, and its node while that runs.
pub struct Machine {
    pub rig: NodeRig,
    pub id: NodeId,
    pub node: Option<Arc<LocalNode>>,
}

/// TestCluster nodes, one drive each.
pub struct TestCluster {
    net: Arc<Net>,
    pub machines: Vec<Machine>,
    /// Changes the settings with which nodes start.
    tune: fn(&mut NodeSettings),
}

/// A token for some members.
pub const fn plan(role: Role) -> TokenPlan {
    TokenPlan { role, lifetime: Duration::from_secs(600), joins_max: 10 }
}

pub fn place(number: usize) -> MapNode {
    MapNode {
        role: Role::StorageNode,
        name: format!("n{number}").into(),
        address: format!("n{number}:1").into(),
        region: RegionName("region".into()),
        zone: ZoneName(format!("zone{number}").into()),
    }
}

impl TestCluster {
    /// Founds a cluster, has `count` nodes join it, and waits until it is formed and led.
    pub async fn start(seed: u64, policy: &'static str, count: u16) -> Self {
        Self::start_tuned(seed, policy, count, |_| ()).await
    }

    /// As [`TestCluster::start`], with settings of its own.
    pub async fn start_tuned(seed: u64, policy: &'static str, count: u16, tune: fn(&mut NodeSettings)) -> Self {
        let mut several = Self::found_tuned(seed, policy, count, tune).await;
        let token = several.token().await;
        for number in 1..usize::from(count) {
            several.join(seed + 100 * number as u64, policy, number + 1, &token).await;
        }
        several.wait_until_led().await;
        several
    }

    /// Founds a cluster that waits for `count` nodes, of which the first runs.
    pub async fn found(seed: u64, policy: &'static str, count: u16) -> Self {
        Self::found_tuned(seed, policy, count, |_| ()).await
    }

    /// A token with which storage nodes join.
    pub async fn token(&self) -> JoinToken {
        self.node(0).make_token(plan(Role::StorageNode)).await.unwrap()
    }

    async fn found_tuned(seed: u64, policy: &'static str, count: u16, tune: fn(&mut NodeSettings)) -> Self {
        let mut several = Self { net: Arc::default(), machines: Vec::new(), tune };
        let rig = several.rig(seed, policy);
        let cluster = 7;
        let (authority, authority_key) = Authority::create(cluster, &rig.env).unwrap();
        let drives = rig.node_drives(|_| true);
        let planned = Membership::plan_drives(&rig.env, &drives).await.unwrap();
        let bootstrap = Bootstrap { nodes: count, ranges: 3 };
        let founding_node = (cluster, NodeId(1), place(1));
        Membership::found(&rig.env, &drives, &planned, founding_node, &rig.policy(), bootstrap).await.unwrap();
        several.machines.push(Machine { rig, id: NodeId(1), node: None });
        several.start_node(0).await;
        let first = several.node(0);
        first.keep_secrets(Bytes::from_static(b"secrets"), &authority, &authority_key).await.unwrap();
        several
    }

    fn rig(&self, seed: u64, policy: &'static str) -> NodeRig {
        let mut rig = NodeRig::new(seed, policy, 1);
        if let Some(first) = self.machines.first() {
            // All clocks are set alike.
            rig.clock = Arc::new(first.rig.clock.another());
            rig.env.clock = rig.clock.clone();
        }
        rig
    }

    /// Begins with a node alone, which keeps an authority and secrets as every founding node does.
    pub async fn begin_alone(seed: u64, policy: &'static str) -> Self {
        let mut several = Self { net: Arc::default(), machines: Vec::new(), tune: |_| () };
        let rig = several.rig(seed, policy);
        let node = rig.start().await;
        let (authority, key) = Authority::create(node.map().cluster, &rig.env).unwrap();
        node.keep_secrets(Bytes::from_static(b"secrets"), &authority, &key).await.unwrap();
        several.machines.push(Machine { rig, id: node.id(), node: Some(node) });
        several
    }

    /// Stops a node that is alone, and starts it where others reach it.
    pub async fn restart_as_first(&mut self, number: usize) {
        self.crash(number, 1).await;
        self.start_node(number).await;
        self.node(number).take_place(&place(number + 1)).await.unwrap();
        self.wait_until_led().await;
    }

    /// Another node joins, and starts.
    pub async fn join(&mut self, seed: u64, policy: &'static str, number: usize, token: &JoinToken) {
        let machine = self.join_without_start(seed, policy, number, token).await;
        self.start_node(machine).await;
    }

    /// Another node joins, and does not start; which machine it is.
    pub async fn join_without_start(
        &mut self,
        seed: u64,
        policy: &'static str,
        number: usize,
        token: &JoinToken,
    ) -> usize {
        let mut rig = self.rig(seed, policy);
        let drives = rig.node_drives(|_| true);
        let planned = Membership::plan_drives(&rig.env, &drives).await.unwrap();
        let admission = self.admit(place(number), token, planned.clone()).await;
        let map = ClusterMap::decode(admission.map).unwrap();
        let keys = admission.cluster_keys.iter().filter_map(|key| ClusterKey::from_bytes(key)).collect();
        rig.cluster_keys = ClusterKeys::in_memory(keys);
        Membership::prepare_drives(&rig.env, &drives, &planned, admission.node, map).await.unwrap();
        self.machines.push(Machine { rig, id: admission.node, node: None });
        self.machines.len() - 1
    }

    /// A gateway joins: its identity, and its way to the nodes.
    pub async fn join_gateway(&self, name: &str) -> (NodeId, Arc<dyn Transport>) {
        let place = MapNode { role: Role::Gateway, name: name.into(), ..place(0) };
        let token = self.node(0).make_token(plan(Role::Gateway)).await.unwrap();
        let node = self.admit(place, &token, Vec::new()).await.node;
        (node, self.transport_of(Peer { node, role: Role::Gateway }))
    }

    /// The way of a process that has such a certificate to the nodes.
    pub fn transport_of(&self, from: Peer) -> Arc<dyn Transport> {
        Arc::new(InMemoryTransport { net: Arc::downgrade(&self.net), from })
    }

    async fn admit(&self, place: MapNode, token: &JoinToken, drives: Vec<(DriveId, u32)>) -> Admission {
        let key = PrivateKey::generate().unwrap();
        let request = self.request(place, token, drives, &key).await;
        self.ask_to_join(0, &request).await.unwrap()
    }

    /// What a process with this key asks of the first node to join, with a challenge of that node.
    pub async fn request(
        &self,
        place: MapNode,
        token: &JoinToken,
        drives: Vec<(DriveId, u32)>,
        key: &PrivateKey,
    ) -> JoinRequest {
        let challenge = self.ask_unjoined(0, Method::Challenge, Bytes::new()).await;
        let mut request = JoinRequest {
            id: token.id,
            secret: token.secret.clone(),
            role: place.role,
            request: Bytes::new(),
            name: place.name.to_string(),
            address: place.address.to_string(),
            region: place.region.0.to_string(),
            zone: place.zone.0.to_string(),
            drives,
            challenge,
        };
        request.request = key.request(&request.statement()).unwrap().into();
        request
    }

    /// Asks a node to join.
    pub async fn ask_to_join(&self, number: usize, request: &JoinRequest) -> Result<Admission, NotAdmitted> {
        decode_answer(self.ask_unjoined(number, Method::Join, request.encode()).await).unwrap()
    }

    /// Asks a node as a process that is no member.
    async fn ask_unjoined(&self, number: usize, method: Method, head: Bytes) -> Bytes {
        let unjoined = Peer { node: NodeId(0), role: Role::Unjoined };
        self.node(number).service().serve(unjoined, method, Message::of(head)).await.unwrap().head
    }

    /// Starts a machine's node; returns once it is registered.
    pub async fn start_node(&mut self, number: usize) {
        let node = self.begin_node(number).await;
        node.begin().await.unwrap();
    }

    /// The first half of a start: the node is reachable, and not yet registered.
    pub async fn begin_node(&mut self, number: usize) -> Arc<LocalNode> {
        let net = Arc::downgrade(&self.net);
        let connect: Connect =
            Box::new(move |node, _| Arc::new(InMemoryTransport { net, from: Peer { node, role: Role::StorageNode } }));
        let machine = &mut self.machines[number];
        let mut settings = machine.rig.settings();
        settings.redundancy = None;
        settings.consensus.own_time = true;
        (self.tune)(&mut settings);
        let drives = machine.rig.node_drives(|_| true);
        let node = LocalNode::prepare(machine.rig.env.clone(), drives, settings, Some(connect)).await.unwrap();
        assert_eq!(node.id(), machine.id);
        self.net.services.lock().insert(machine.id, Arc::new(node.service()));
        machine.node = Some(Arc::clone(&node));
        node
    }

    pub fn node(&self, number: usize) -> Arc<LocalNode> {
        Arc::clone(self.machines[number].node.as_ref().expect("it runs"))
    }

    /// Kills a node and loses what a power loss may lose.
    pub async fn crash(&mut self, number: usize, seed: u64) {
        let machine = &mut self.machines[number];
        self.net.services.lock().remove(&machine.id);
        let node = machine.node.take().expect("it runs");
        machine.rig.crash(node, seed).await;
    }

    /// Puts an empty drive in the place of that of a machine whose node does not run, and which keeps its identity.
    pub async fn empty(&mut self, number: usize) {
        let known = self.running().next().expect("another runs").map();
        self.machines[number].rig.wipe(0);
        self.prepare_drives_again(number, &known).await;
    }

    /// What a start does first where a machine's drive has no map: the process kept the map that is `known`.
    pub async fn prepare_drives_again(&self, number: usize, known: &ClusterMap) {
        let Machine { rig, id, .. } = &self.machines[number];
        let from = Peer { node: *id, role: Role::StorageNode };
        let wire = InMemoryTransport { net: Arc::downgrade(&self.net), from };
        let drives = rig.node_drives(|_| true);
        Membership::prepare_drives_again(&rig.env, &drives, *id, known, Some(&wire), &rig.noted).await.unwrap();
    }

    /// Cuts or mends the way from one machine to another (one direction).
    pub fn cut(&self, from: usize, to: usize, is_cut: bool) {
        let way = (self.machines[from].id, self.machines[to].id);
        let mut cut = self.net.cut.lock();
        if is_cut {
            cut.insert(way)
        } else {
            cut.remove(&way)
        };
    }

    /// Loses what a machine is sent of snapshots, after so many messages; `None` mends that.
    pub fn lose_snapshots(&self, to: usize, after: Option<u64>) {
        let (to, mut snapshots) = (self.machines[to].id, self.net.snapshots.lock());
        match after {
            Some(after) => snapshots.insert(to, after),
            None => snapshots.remove(&to),
        };
    }

    /// Whether part of a snapshot to a machine was lost since then.
    pub fn has_lost_snapshots(&self, to: usize) -> bool {
        self.net.snapshots.lock().get(&self.machines[to].id) == Some(&0)
    }

    /// Cuts a machine off from all others, both ways, or mends that.
    pub fn isolate(&self, number: usize, is_cut: bool) {
        for other in (0..self.machines.len()).filter(|other| *other != number) {
            self.cut(number, other, is_cut);
            self.cut(other, number, is_cut);
        }
    }

    /// Waits until the map has ranges and a row of each can be read through every running node.
    pub async fn wait_until_led(&self) {
        self.until("the cluster is formed", || {
            self.running().all(|node| node.map().bootstrap.is_none() && !node.map().ranges.is_empty())
        })
        .await;
        let nodes: Vec<Arc<LocalNode>> = self.running().collect();
        for node in nodes {
            let found = self.read(&node, "nothing").await;
            assert_eq!(found, None);
        }
    }

    pub fn running(&self) -> impl Iterator<Item = Arc<LocalNode>> {
        self.machines.iter().filter_map(|machine| machine.node.clone())
    }

    pub async fn until(&self, what: &str, is_true: impl Fn() -> bool) {
        let began = tokio::time::Instant::now();
        while !is_true() {
            assert!(began.elapsed() < PATIENCE, "never came true: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes a system row through a node; whether it was acknowledged.
    pub async fn write(&self, through: &LocalNode, at: &str, value: &str, commit: [u8; 10]) -> bool {
        let now_ms = self.machines[0].rig.env.clock.wall_ms();
        let request = CommandRequest {
            commit: CommitId::new(now_ms, commit),
            deadline_ms: now_ms + 15_000,
            bucket: BucketId::SYSTEM,
            rules_version: 0,
            key: key(at),
            command: Command::SystemWrite { expect: Expect::Any, value: Some(Bytes::from(value.to_owned())) },
            seen: None,
            is_repeat: false,
        };
        let routes = through.routes();
        self.ask(through, at, |address| routes.execute(address, request.clone())).await.is_some()
    }

    /// Reads a system row through a node.
    pub async fn read(&self, through: &LocalNode, at: &str) -> Option<Bytes> {
        self.try_read(through, at).await.expect("an answer")
    }

    /// The version of a system row: when it was written by the clock of the leader, in microseconds since 1970.
    pub async fn version(&self, through: &LocalNode, at: &str) -> u64 {
        self.get(through, at).await.flatten().expect("the row").version.0
    }

    /// Reads a row through a node; `None` if nobody answers.
    pub async fn try_read(&self, through: &LocalNode, at: &str) -> Option<Option<Bytes>> {
        self.get(through, at).await.map(|row| row.map(|row| row.value))
    }

    async fn get(&self, through: &LocalNode, at: &str) -> Option<Option<SystemRow>> {
        let query =
            || QueryRequest { bucket: BucketId::SYSTEM, rules_version: None, query: Query::SystemGet { key: key(at) } };
        let routes = through.routes();
        match self.ask(through, at, |address| routes.query(address, query())).await? {
            Answer::SystemGet(row) => Some(row),
            other => panic!("another answer: {other:?}"),
        }
    }

    /// Which machine's node leads the range of a system row.
    pub async fn leader_of_system_row(&self, at: &str) -> usize {
        let began = tokio::time::Instant::now();
        while began.elapsed() < PATIENCE {
            for number in (0..self.machines.len()).filter(|number| self.machines[*number].node.is_some()) {
                if self.read_here_at_once(number, at).await.is_ok() {
                    return number;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nobody leads the range of {at}");
    }

    /// Asks a machine's own replica for a system row, once.
    pub async fn read_here_at_once(&self, number: usize, at: &str) -> Result<Answer, RangeError> {
        let node = self.node(number);
        let position = RangeDescriptor::position(BucketId::SYSTEM, at.as_bytes());
        let ranges = node.local().describe(position.clone(), Bytes::new()).await.unwrap();
        let range = ranges.into_iter().find(|range| range.contains(&position)).unwrap();
        let map = node.map();
        let own: Vec<DriveId> = map.drives_of(self.machines[number].id).collect();
        // A machine without one is asked for another's: it does not lead.
        let replica = range.replicas.iter().find(|drive| own.contains(drive)).unwrap_or(&range.replicas[0]);
        let address = RangeAddress { range: range.id, generation: range.generation, replica: *replica };
        let query =
            QueryRequest { bucket: BucketId::SYSTEM, rules_version: None, query: Query::SystemGet { key: key(at) } };
        node.local().query(address, query).await
    }

    /// Asks the leader of the range of a key, for fifteen seconds.
    async fn ask<T, A>(&self, through: &LocalNode, at: &str, attempt: impl Fn(RangeAddress) -> A) -> Option<T>
    where
        A: Future<Output = Result<T, RangeError>>,
    {
        let position = RangeDescriptor::position(BucketId::SYSTEM, at.as_bytes());
        let began = tokio::time::Instant::now();
        let (mut turn, mut hint) = (0, None);
        while began.elapsed() < Duration::from_secs(15) {
            let ranges = through.local().describe(position.clone(), Bytes::new()).await.unwrap();
            let range = ranges.into_iter().find(|range| range.contains(&position)).unwrap();
            let replica = hint.take().unwrap_or(range.replicas[turn % range.replicas.len()]);
            turn += 1;
            let address = RangeAddress { range: range.id, generation: range.generation, replica };
            match tokio::time::timeout(Duration::from_secs(4), attempt(address)).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(RangeError::NotLeader(leader))) => hint = leader.filter(|leader| *leader != replica),
                Ok(Err(_)) | Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }
}
