//! Nodes with one replica each of one range, over simulated disks and stores in memory, in one thread
//! under paused time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_metadata::effect::Effect;
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::store::Write;
use couronne_ring::{DriveId, NodeId};
use couronne_storage_node::consensus::types::{Position, ReplicaId};
use couronne_storage_node::consensus::{
    self, Consensus, ConsensusSettings, LocalPeers, Network, ProposeError, RaftService, ReplicaComponents, Reversions,
    StateMachine,
};
use couronne_storage_node::disk::simulated::SimulatedDisk;
use couronne_storage_node::drives::StoreThreads;
use couronne_storage_node::log::DriveLog;
use couronne_storage_node::node::{MemoryStores, Stores};
use couronne_storage_node::replicas::{RangeStateMachine, StartState};
use tokio::time::{Instant, sleep, timeout};

use super::wire::{Wire, Wires};
use couronne_base::testing;
use couronne_cluster::map::LogEnd;

pub(crate) const NODES: u128 = 5;

/// What runs of a node.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) group: Arc<dyn Consensus>,
    pub(crate) machine: Arc<RangeStateMachine>,
    log: Arc<DriveLog>,
}

/// A node with one drive and one replica.
pub(crate) struct TestNode {
    pub(crate) id: NodeId,
    pub(crate) drive: DriveId,
    pub(crate) replica: ReplicaId,
    disk: SimulatedDisk,
    stores: MemoryStores,
    reversions: Reversions,
    running: Option<Running>,
}

/// The nodes of a range.
pub(crate) struct RangeRig {
    pub(crate) env: Env,
    pub(crate) wires: Arc<Wires>,
    pub(crate) nodes: Vec<TestNode>,
    pub(crate) settings: ConsensusSettings,
    pub(crate) seed: u64,
    began: Instant,
}

/// Runs a scenario in its own simulated world.
pub(crate) fn simulate<T>(scenario: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(scenario)
}

fn row(name: &str) -> Bytes {
    key::of_range(RowKind::Payload, name.as_bytes())
}

/// One entry's payload: one effect that puts one row.
fn payload(name: &str, value: &[u8]) -> Bytes {
    let write = Write::Put { key: row(name), value: Bytes::copy_from_slice(value) };
    let effect = Effect { writes: vec![write], ..Effect::default() }.encode();
    let mut payload = u32::try_from(effect.len()).unwrap().to_be_bytes().to_vec();
    payload.extend_from_slice(&effect);
    payload.into()
}

impl RangeRig {
    /// Five nodes that have begun, and lead.
    pub(crate) async fn begin(seed: u64) -> Self {
        let (env, _) = testing::env(seed);
        let nodes = (1..=NODES).map(|number| TestNode {
            id: NodeId(number),
            drive: DriveId(10 + number),
            replica: ReplicaId(u64::try_from(number).unwrap()),
            disk: SimulatedDisk::new(seed.wrapping_mul(31).wrapping_add(u64::try_from(number).unwrap()), 1 << 30),
            stores: MemoryStores::default(),
            reversions: Reversions::default(),
            running: None,
        });
        let settings = ConsensusSettings { own_time: true, ..ConsensusSettings::default() };
        let wires = Wires::new(seed);
        let mut rig = Self { env, wires, nodes: nodes.collect(), settings, seed, began: Instant::now() };
        for number in 0..rig.nodes.len() {
            rig.start(number, false).await;
        }
        let places = rig.nodes.iter().map(|node| (node.replica, node.drive)).collect();
        rig.running(0).group.initialize(&places).await.unwrap();
        rig.await_leader(Duration::from_secs(5)).await;
        rig
    }

    /// Starts a node's replica from what its disk and store hold.
    pub(crate) async fn start(&mut self, number: usize, quiet: bool) {
        let node = &self.nodes[number];
        let (env, replica, drive) = (self.env.clone(), node.replica, node.drive);
        let log = Arc::new(DriveLog::open(Arc::new(node.disk.clone()), drive, LogEnd::START, &env).await.unwrap());
        let store = node.stores.open(&format!("replica-{}", replica.0)).unwrap();
        let (machine, state) = RangeStateMachine::open(store, StoreThreads::default()).await.unwrap();
        assert_eq!(state, StartState::Sound);
        let machine = Arc::new(machine);
        let local_peers = LocalPeers::default();
        let receiver = Arc::new(RaftService::new(local_peers.clone(), self.wires.clone()));
        let transport = Arc::new(Wire { from: node.id, wires: self.wires.clone() });
        self.wires.connect(node.id, drive, receiver);
        let components = ReplicaComponents {
            replica,
            drive,
            log: log.replica(replica).unwrap(),
            state_machine: machine.clone(),
            local_peers,
            network: Some(Network { transport, directory: self.wires.clone() }),
            reversions: node.reversions.clone(),
            env,
        };
        let group = consensus::start(components, self.settings, quiet).await.unwrap();
        self.nodes[number].running = Some(Running { group, machine, log });
    }

    /// Kills a node and loses what a power loss may lose.
    pub(crate) async fn kill(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        self.wires.disconnect(node.id);
        let running = node.running.take().unwrap();
        running.log.close("killed");
        running.group.shutdown().await;
        node.disk = node.disk.crash();
        node.stores = node.stores.crash(self.seed);
    }

    /// A snapshot of a node's drive as it is now.
    pub(crate) fn backup(&self, number: usize) -> (SimulatedDisk, MemoryStores) {
        let node = &self.nodes[number];
        (node.disk.backup(), node.stores.backup(self.seed))
    }

    /// Puts a snapshot in the place of the drive of a node that does not run.
    pub(crate) fn restore(&mut self, number: usize, (disk, stores): (SimulatedDisk, MemoryStores)) {
        let node = &mut self.nodes[number];
        assert!(node.running.is_none());
        (node.disk, node.stores) = (disk, stores);
    }

    /// The replicas that a node found to lack what they had acknowledged, since this was asked last.
    pub(crate) fn reverted(&self, number: usize) -> BTreeSet<ReplicaId> {
        self.nodes[number].reversions.take()
    }

    /// Gives a node that does not run an empty drive, and its replica a new id.
    pub(crate) fn wipe(&mut self, number: usize, replica: u64) {
        let node = &mut self.nodes[number];
        assert!(node.running.is_none());
        node.disk = SimulatedDisk::new(self.seed + replica, 1 << 30);
        node.stores = MemoryStores::default();
        node.replica = ReplicaId(replica);
    }

    pub(crate) fn running(&self, number: usize) -> &Running {
        self.nodes[number].running.as_ref().unwrap()
    }

    /// Those that run.
    pub(crate) fn alive(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|number| self.nodes[*number].running.is_some()).collect()
    }

    /// The replica that leads under the highest term.
    pub(crate) fn leader(&self) -> Option<(usize, u64)> {
        let leads = |number: usize| self.running(number).group.leadership().map(|leads| (number, leads.term));
        self.alive().into_iter().filter_map(leads).max_by_key(|(_, term)| *term)
    }

    /// Waits for a leader with a lease.
    pub(crate) async fn await_leader(&self, most: Duration) -> usize {
        self.await_leader_but(None, most).await
    }

    /// The same, another than this one.
    pub(crate) async fn await_leader_but(&self, not: Option<usize>, most: Duration) -> usize {
        let began = Instant::now();
        loop {
            if let Some((leader, _)) = self.leader().filter(|(leader, _)| Some(*leader) != not)
                && self.running(leader).group.leadership().is_some_and(|leads| leads.lease)
            {
                return leader;
            }
            assert!(began.elapsed() < most, "no leader after {most:?} (seed {})", self.seed);
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Proposes a row once.
    pub(crate) async fn propose_at(
        &self,
        number: usize,
        term: u64,
        name: &str,
        value: &[u8],
    ) -> Result<(), ProposeError> {
        self.running(number).group.propose(term, payload(name, value)).await
    }

    /// Proposes a row at the leader, until it is acknowledged. Rows are the same when repeated.
    pub(crate) async fn write(&self, name: &str, value: &[u8]) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if let Some((leader, term)) = self.leader() {
                match timeout(Duration::from_secs(3), self.propose_at(leader, term, name, value)).await {
                    Ok(Ok(())) => return,
                    Ok(Err(ProposeError::NotLeader(_) | ProposeError::Unknown(_))) | Err(_) => {}
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("{name} was not acknowledged (seed {})", self.seed);
    }

    pub(crate) fn read(&self, number: usize, name: &str) -> Option<Bytes> {
        self.running(number).machine.store().view().get(&row(name)).unwrap()
    }

    pub(crate) fn applied(&self, number: usize) -> Option<Position> {
        self.running(number).machine.applied().position
    }

    /// Waits until all that run have applied the same, and as much as this.
    pub(crate) async fn await_level(&self, most: Duration) {
        let began = Instant::now();
        loop {
            let applied: Vec<_> = self.alive().into_iter().map(|number| self.applied(number)).collect();
            let last = self.leader().and_then(|(leader, _)| self.running(leader).group.last());
            if last.is_some() && applied.iter().all(|applied| *applied == last) {
                return;
            }
            assert!(began.elapsed() < most, "not level: {} (seed {})", self.look(), self.seed);
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Cuts or mends all ways between a node and the others: from it, to it.
    pub(crate) fn cut_off(&self, number: usize, from: bool, to: bool) {
        let id = self.nodes[number].id;
        for other in self.nodes.iter().map(|node| node.id).filter(|other| *other != id) {
            self.wires.cut(id, other, from);
            self.wires.cut(other, id, to);
        }
    }

    pub(crate) fn elapsed_ms(&self) -> u128 {
        self.began.elapsed().as_millis()
    }

    /// What can be seen from outside, on one line.
    pub(crate) fn look(&self) -> String {
        let mut line = format!("{:>6} ms", self.elapsed_ms());
        for number in 0..self.nodes.len() {
            match &self.nodes[number].running {
                None => line.push_str(" | gone"),
                Some(running) => {
                    let leader = running.group.leader().map_or(0, |leader| leader.0);
                    let applied = self.applied(number).map_or((0, 0), |applied| (applied.term, applied.index));
                    let lease = running.group.leadership().map(|leads| leads.lease);
                    line.push_str(&format!(" | {leader} {applied:?} {lease:?}"));
                }
            }
        }
        line
    }

    pub(crate) async fn stop(mut self) {
        for number in self.alive() {
            self.kill(number).await;
        }
    }

    pub(crate) fn places(&self) -> BTreeMap<ReplicaId, DriveId> {
        self.nodes.iter().map(|node| (node.replica, node.drive)).collect()
    }
}
