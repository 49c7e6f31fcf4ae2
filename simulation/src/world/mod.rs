//! The world: all processes and drives, the network between them, and the time that passes for all.
//!
//! It goes on by ticks of a millisecond. In each, what arrives is delivered, then every process runs as
//! far as its own clock says, always in the same order; so nothing depends on threads.
//! Promises: the same seed and the same calls give the same trace.
//! Must not know: objects, what the processes are asked.

pub mod disks;
pub mod founding;
pub mod network;
pub mod panics;
pub mod parts;
pub mod process;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use couronne_cluster::map::ClusterMap;
use couronne_cluster::{MapError, Role};
use couronne_gateway::engine::Engine;
use couronne_protocol::transport::{Peer, Rejection};
use couronne_ring::{DriveId, NodeId};
use couronne_storage_node::node::{LocalNode, Membership, NodeDrive, NodeError};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};

use self::founding::Shape;
use crate::trace::Trace;
use crate::world::disks::SimulatedDrive;
use crate::world::network::{Network, Parcel};
use crate::world::parts::{Gateway, StorageNode};
use crate::world::process::{Process, Seat};
use couronne_base::testing::Rng;

/// Why a world did not come about.
#[derive(Debug, Error)]
pub enum WorldError {
    /// No runtime.
    #[error("making a runtime: {0}")]
    Runtime(#[from] io::Error),
    /// No map.
    #[error("founding: {0}")]
    Map(#[from] MapError),
    /// No cluster.
    #[error("founding: {0}")]
    Node(#[from] NodeError),
}

/// The simulated world.
pub struct World {
    /// What the cluster is made of.
    pub shape: Shape,
    /// What happened.
    pub trace: Trace,
    /// The way between processes.
    pub network: Arc<Network>,
    /// The drives of the storage nodes.
    pub drives: BTreeMap<DriveId, SimulatedDrive>,
    processes: BTreeMap<NodeId, Process>,
    known: ClusterMap,
    /// For what is done to drives from outside.
    hands: Runtime,
    now_ms: u64,
}

impl World {
    /// A world whose cluster is founded and not started.
    pub fn new(shape: Shape, mut rng: Rng, trace: Trace) -> Result<Self, WorldError> {
        let known = founding::map(&shape)?;
        let network = Network::new(rng.fork(), trace.clone());
        let member = |(id, member): (&NodeId, &couronne_cluster::map::MapNode)| {
            let peer = Peer { node: *id, role: member.role };
            (*id, Process::new(peer, member.name.to_string(), rng.fork()))
        };
        let processes = known.nodes.iter().map(member).collect();
        let drives = shape.storage_nodes().flat_map(|node| shape.drives_of(node));
        let drives = drives.map(|drive| (drive, SimulatedDrive::new(rng.fork()))).collect();
        let hands = Builder::new_current_thread().enable_time().start_paused(true).build()?;
        let world = Self { shape, trace, network, drives, processes, known, hands, now_ms: 0 };
        world.found(&mut rng)?;
        Ok(world)
    }

    fn found(&self, rng: &mut Rng) -> Result<(), WorldError> {
        let (env, _) = couronne_base::testing::still_env(rng.draw());
        for node in self.shape.storage_nodes() {
            let drives = self.drives_for(node);
            let planned: Vec<(DriveId, u32)> = self.shape.drives_of(node).map(|drive| (drive, 1)).collect();
            self.hands.block_on(Membership::prepare_drives(&env, &drives, &planned, node, self.known.clone()))?;
        }
        Ok(())
    }

    /// The drives of a node as it is given them.
    fn drives_for(&self, node: NodeId) -> Vec<NodeDrive> {
        let drives = self.shape.drives_of(node).filter_map(|id| Some((id, self.drives.get(&id)?)));
        drives.map(|(id, drive)| drive.for_node(&format!("{id}"))).collect()
    }

    /// The time since the world began, in milliseconds.
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Notes an event.
    pub fn note(&self, event: std::fmt::Arguments<'_>) {
        self.trace.note(self.now_ms, event);
    }

    /// Goes on by a millisecond.
    pub fn tick(&mut self) {
        self.now_ms += 1;
        self.network.run_to(self.now_ms);
        while let Some(parcel) = self.network.arrival() {
            self.deliver(parcel);
        }
        for process in self.processes.values_mut() {
            process.run_to(self.now_ms);
        }
    }

    fn deliver(&self, parcel: Parcel) {
        let (call, from, to, method, message) = match parcel {
            Parcel::Answer(call, answer) => {
                self.note(format_args!("answered {call} {}", answer.is_ok()));
                return self.network.deliver(call, answer);
            }
            Parcel::Question { call, from, to, method, message } => (call, from, to, method, message),
        };
        if self.network.is_cut(from.node, to) {
            return self.network.lose(call);
        }
        let Some(process) = self.processes.get(&to).filter(|process| process.is_alive()) else {
            return self.network.refuse(call);
        };
        self.note(format_args!("deliver {call:?} {} {to} {}", from.node, method.name()));
        let network = Arc::clone(&self.network);
        let service = process.seat().and_then(|seat| seat.service.lock().clone());
        let Some(service) = service else { return network.answer(call, Err(Rejection::NotServing)) };
        if !method.may(from.role) {
            return network.answer(call, Err(Rejection::Forbidden));
        }
        process.spawn(async move {
            let answer = service.serve(from, method, message).await;
            network.answer(call, answer);
        });
    }

    /// Starts a process.
    pub fn start(&mut self, id: NodeId) -> io::Result<()> {
        self.note(format_args!("start {id}"));
        let drives = self.drives_for(id);
        let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
        let (known, transport) = (self.known.clone(), self.network.transport(process.peer));
        match process.peer.role {
            Role::StorageNode => {
                let scrubbed = self.shape.scrubbed;
                let node = StorageNode { id, drives, known, scrubbed, transport };
                process.begin(|env, seat| node.run(env, seat))
            }
            Role::Gateway | Role::Unjoined => process.begin(|env, seat| Gateway { known, transport }.run(env, seat)),
        }
    }

    /// Kills a process. With `power_loss` the machine goes with it and nothing says so; what its drives
    /// had not made durable is lost in any case.
    pub fn kill(&mut self, id: NodeId, power_loss: bool) {
        let Some(process) = self.processes.get_mut(&id).filter(|process| process.is_alive()) else { return };
        process.end();
        self.network.forget(id, !power_loss);
        for drive in self.shape.drives_of(id) {
            self.drives.get_mut(&drive).into_iter().for_each(SimulatedDrive::lose_power);
        }
        self.note(format_args!("kill {id} {power_loss}"));
    }

    /// A process.
    pub fn process(&self, id: NodeId) -> Option<&Process> {
        self.processes.get(&id)
    }

    /// A process, to be meddled with.
    pub fn process_mut(&mut self, id: NodeId) -> Option<&mut Process> {
        self.processes.get_mut(&id)
    }

    /// All processes, in their order.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// What a process shows, while it lives.
    pub fn seat(&self, id: NodeId) -> Option<&Arc<Seat>> {
        self.process(id).and_then(Process::seat)
    }

    /// A gateway's engine, while it runs.
    pub fn engine(&self, id: NodeId) -> Option<Engine> {
        self.process(id).filter(|process| process.is_running())?;
        self.seat(id).and_then(|seat| seat.engine.lock().clone())
    }

    /// A storage node, while it lives.
    pub fn node(&self, id: NodeId) -> Option<Arc<LocalNode>> {
        self.seat(id).and_then(|seat| seat.node.lock().clone())
    }

    /// Does something to drives from outside, at once.
    pub fn by_hand<T>(&self, work: impl Future<Output = T>) -> T {
        self.hands.block_on(work)
    }

    /// Has a task run in a process, and goes on until it is done, at most so many milliseconds.
    pub fn ask<T: Send + 'static>(
        &mut self,
        id: NodeId,
        within_ms: u64,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let result = Arc::new(Mutex::new(None));
        let place = Arc::clone(&result);
        self.process(id)?.spawn(async move {
            let done = work.await;
            *place.lock() = Some(done);
        });
        for _ in 0..within_ms {
            let done = result.lock().take();
            if done.is_some() {
                return done;
            }
            self.tick();
        }
        None
    }
}

impl World {
    /// Which processes are not what they should be once all is well: up, in a cluster that is formed.
    pub fn unready(&self) -> Vec<String> {
        let mut unready = Vec::new();
        for (id, process) in &self.processes {
            let begun = process.is_running() && process.seat().is_some_and(|seat| seat.has_begun());
            let is_formed = process.peer.role != Role::StorageNode
                || self.node(*id).is_some_and(|node| node.map().bootstrap.is_none());
            if !begun || !is_formed {
                let failed = process.seat().and_then(|seat| seat.failed.lock().clone());
                unready.push(format!("{}: {}", process.name, failed.unwrap_or_else(|| "has not begun".to_owned())));
            }
        }
        unready
    }
}
