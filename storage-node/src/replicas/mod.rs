//! The replicas of ranges on this node: opened as the map names them, led, supervised, asked.
//!
//! Promises: a replica that forgot its past never votes under its old id; what a leader answers is as
//! [`range_server`] says.
//! Must not know: where the map is kept, HTTP, S3, Swift, the consensus library.

mod balance;
mod exchange;
mod latches;
mod local_service;
mod next_step;
mod open;
mod proposer;
mod quotas;
pub(crate) mod range_server;
mod rot;
mod routes;
mod state_machine;
mod status;
mod supervise;
mod transfer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_metadata::evaluate;
use couronne_metadata::ids::RangeId;
use couronne_protocol::map::SharedMap;
use couronne_protocol::transport::Transport;
use couronne_ring::{DriveId, NodeId};
use parking_lot::{Mutex, RwLock};
use tokio::time::timeout;

pub use self::local_service::LocalService;
pub(crate) use self::open::RenewReplicas;
pub(crate) use self::range_server::RangeServer;
pub use self::range_server::ReadPolicy;
pub use self::routes::Routes;
pub(crate) use self::state_machine::RowsPiece;
pub use self::state_machine::{OpenRowsError, RangeStateMachine, StartState, applied_row};
pub use self::status::{LeaderFacts, RangeStatus};
pub(crate) use self::supervise::Supervision;
use crate::clock::ClockGuard;
use crate::cluster_time::ClusterTime;
use crate::consensus::{ConsensusSettings, Directory, LocalPeers, Network, RaftService, Reversions};
use crate::drives::Drives;
use crate::stop::StopSignal;
use crate::surroundings::Surroundings;

/// How long the end of a replica is waited for.
const END_WAIT: Duration = Duration::from_secs(5);

/// What is tuned of replicas.
pub(crate) struct ReplicaSettings {
    /// Elections and leases.
    pub(crate) consensus: ConsensusSettings,
    /// Evaluation of commands.
    pub(crate) evaluation: evaluate::Settings,
    /// By what a leader answers reads.
    pub(crate) reads: ReadPolicy,
}

/// The replicas on the drives of a node.
pub(crate) struct Replicas {
    env: Env,
    id: NodeId,
    clock: Arc<ClockGuard>,
    time: Arc<ClusterTime>,
    settings: ReplicaSettings,
    drives: Arc<Drives>,
    /// The newest map known here.
    map: Arc<SharedMap>,
    /// The way to other nodes, if there are any.
    transport: Option<Arc<dyn Transport>>,
    local_peers: LocalPeers,
    /// Replicas, here or elsewhere, that leaders here found to lack what they had acknowledged.
    reversions: Reversions,
    /// What other nodes' replicas ask of those here.
    raft_service: RaftService,
    servers: RwLock<BTreeMap<(RangeId, DriveId), Arc<RangeServer>>>,
    /// Replicas that ended by rotten rows, until the map names others in their place.
    rotten: Mutex<Vec<Arc<RangeServer>>>,
    /// Held while replicas are opened.
    opening: tokio::sync::Mutex<()>,
    stop: Arc<StopSignal>,
}

impl Replicas {
    /// The replicas of a node, of which none is open yet.
    pub(crate) fn new(surroundings: Surroundings, drives: Arc<Drives>, settings: ReplicaSettings) -> Self {
        let Surroundings { env, id, map, transport, clock, time, stop } = surroundings;
        let local_peers = LocalPeers::default();
        let raft_service = RaftService::new(local_peers.clone(), Arc::clone(&map) as Arc<dyn Directory>);
        Self {
            env,
            id,
            clock,
            time,
            settings,
            drives,
            map,
            transport,
            local_peers,
            reversions: Reversions::default(),
            raft_service,
            servers: RwLock::default(),
            rotten: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            stop,
        }
    }

    /// The newest map known here.
    pub(crate) const fn map(&self) -> &Arc<SharedMap> {
        &self.map
    }

    /// What other nodes' replicas ask of those here.
    pub(crate) const fn raft_service(&self) -> &RaftService {
        &self.raft_service
    }

    /// Whether there are no other nodes: then all replicas of all ranges are here.
    pub(crate) const fn is_alone(&self) -> bool {
        self.transport.is_none()
    }

    /// The way to replicas on other nodes, if there are any.
    fn network(&self) -> Option<Network> {
        let directory: Arc<dyn Directory> = Arc::clone(&self.map) as Arc<dyn Directory>;
        self.transport.clone().map(|transport| Network { transport, directory })
    }

    /// The replicas of the keyspace's ranges that serve here.
    pub(crate) fn servers(&self) -> Vec<Arc<RangeServer>> {
        let servers = self.servers.read();
        servers.values().filter(|server| !server.is_of_meta_group()).cloned().collect()
    }

    /// The replicas of this node that lead their ranges of the keyspace.
    pub(crate) fn leaders(&self) -> Vec<Arc<RangeServer>> {
        self.servers().into_iter().filter(|server| server.consensus().leadership().is_some()).collect()
    }

    /// All replicas that serve here, one of the meta group included.
    pub(crate) fn all_servers(&self) -> Vec<Arc<RangeServer>> {
        self.servers.read().values().cloned().collect()
    }

    /// The replicas that lead, one of the meta group included.
    pub(crate) fn all_leaders(&self) -> Vec<Arc<RangeServer>> {
        self.all_servers().into_iter().filter(|server| server.consensus().leadership().is_some()).collect()
    }

    /// Whether the leader of the meta group is here.
    pub(crate) fn leads_map(&self) -> bool {
        self.all_servers().iter().any(|server| server.is_of_meta_group() && server.is_ready())
    }

    /// The drive on which the meta group's leader was last known to live.
    pub(crate) fn map_leader_hint(&self) -> Option<DriveId> {
        let servers = self.all_servers();
        let mut members = servers.iter().filter(|server| server.is_of_meta_group());
        let own = members.clone().find(|server| server.is_ready()).map(|server| server.drive());
        own.or_else(|| members.find_map(|server| server.leader_drive()))
    }

    /// Ends replicas at once: nothing of them is flushed.
    async fn end(&self, servers: Vec<Arc<RangeServer>>) {
        for server in servers {
            self.local_peers.disconnect(server.replica());
            // One on a drive that hangs waits for that first; it is cut off all the same.
            if timeout(END_WAIT, server.consensus().shutdown()).await.is_err() {
                tracing::warn!(replica = %server.replica(), "a replica ends when its drive lets it");
            }
        }
    }

    /// Ends all replicas as a kill would: nothing is flushed.
    pub(crate) async fn abandon(&self) {
        let servers = std::mem::take(&mut *self.servers.write());
        self.end(servers.into_values().collect()).await;
    }

    /// Ends all replicas; what was applied is flushed, so that the next start has little to read again.
    pub(crate) async fn shutdown(&self) {
        let is_well = |drive: DriveId| self.drives.find(drive).is_some_and(|drive| drive.is_well());
        for server in self.all_servers().into_iter().filter(|server| is_well(server.drive())) {
            if let Err(error) = server.consensus().checkpoint(false).await {
                tracing::warn!(replica = %server.replica(), %error, "replica was not flushed");
            }
        }
        self.end(self.all_servers()).await;
    }
}
