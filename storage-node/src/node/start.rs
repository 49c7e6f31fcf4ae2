//! Starting and stopping a node: its parts, in the order in which each needs the others.
//!
//! A start is in two steps, because the map is kept by a group that this node may be part of: first what its own
//! file says of that group, then, once the group answers, everything else by the map as it is now.
//! Promises: a drive that comes back emptied, rolled back or with a corrupt log gets new replicas
//! before any of them acts; a start that was cut off can be repeated.
//! Must not know: requests.

use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_protocol::map::SharedMap;
use couronne_protocol::transport::Transport;
use couronne_ring::NodeId;
use tokio::time::{Instant, sleep, timeout};

use super::{LocalNode, NodeDrive, NodeError, NodeSettings};
use crate::clock::ClockGuard;
use crate::cluster_time::ClusterTime;
use crate::drives::{Drives, mount_all, view};
use crate::duties::{self, DutyContext};
use crate::membership::{MapStore, Membership, survey};
use crate::replicas::{LocalService, ReplicaSettings, Replicas, Routes};
use crate::stop::StopSignal;
use crate::surroundings::Surroundings;

/// The pause before a node that could not register tries again.
const REGISTER_AGAIN: Duration = Duration::from_millis(200);

/// How long a start waits for leaders.
const LEADERS_WAIT: Duration = Duration::from_secs(5);

/// How often a start looks whether there are leaders.
const LEADERS_POLL: Duration = Duration::from_millis(10);

/// How long the last flush of a drive's index is waited for.
const FLUSH_WAIT: Duration = Duration::from_secs(30);

/// Makes a node's transport, given its identity and the map in which it finds others.
pub type Connect = Box<dyn FnOnce(NodeId, Arc<SharedMap>) -> Arc<dyn Transport> + Send>;

impl LocalNode {
    /// Starts a node that is alone, on drives that it settled on before. Returns once every range that has a
    /// quorum here has a leader, or after a few seconds.
    pub async fn open(env: Env, drives: Vec<NodeDrive>, settings: NodeSettings) -> Result<Arc<Self>, NodeError> {
        let node = Self::prepare(env, drives, settings, None).await?;
        node.begin().await?;
        Ok(node)
    }

    /// The first half of a start: opens the drives. A node that is one of several is given `connect`, which makes its
    /// transport; it must then be reachable ([`LocalNode::service`]) before the second half, [`LocalNode::begin`], for
    /// which the meta group is needed.
    pub async fn prepare(
        env: Env,
        drives: Vec<NodeDrive>,
        settings: NodeSettings,
        connect: Option<Connect>,
    ) -> Result<Arc<Self>, NodeError> {
        let (file, found) = survey(&drives, settings.redundancy, settings.node).await?;
        if connect.is_none() && (file.map.nodes.len() > 1 || file.map.bootstrap.is_some()) {
            return Err(NodeError::NotAlone);
        }
        let id = file.node;
        let (mounted, forgetful, omitted) = mount_all(&env, &file.map, id, found, &settings.noted).await?;
        let (leap_ms, has_peers) = (settings.duties.clock_leap_ms, connect.is_some());
        let clock = Arc::new(ClockGuard::new(&env, file.seen_ms, leap_ms, has_peers));
        let time = Arc::new(ClusterTime::new(&env, file.map.time_ms));
        let map = Arc::new(SharedMap::new(file.map.clone()));
        map.show(view(&file.map, id, &mounted));
        let transport = connect.map(|connect| connect(id, Arc::clone(&map)));
        let stop = Arc::new(StopSignal::new());
        let (shared, stopping) = (Arc::clone(&map), Arc::clone(&stop));
        let surroundings = Surroundings { env, id, map: shared, transport, clock, time, stop: stopping };
        let drives = Arc::new(Drives::new(id, map, mounted));
        let NodeSettings { consensus, evaluation, reads, .. } = settings;
        let tuned = ReplicaSettings { consensus, evaluation, reads };
        let replicas = Arc::new(Replicas::new(surroundings.clone(), Arc::clone(&drives), tuned));
        let local = Arc::new(LocalService { drives: Arc::clone(&drives), replicas: Arc::clone(&replicas) });
        let routes = Arc::new(Routes::new(&local, &surroundings));
        let client = Arc::new(routes.client(surroundings.env.clone(), stop.receiver()));
        let map_store = MapStore::new(surroundings.clone(), Arc::clone(&drives), Arc::clone(&client), file);
        let map_store = Arc::new(map_store);
        let membership = Arc::new(Membership::new(
            surroundings.clone(),
            Arc::clone(&drives),
            Arc::clone(&replicas),
            Arc::clone(&map_store),
            (settings.certificate_lifetime, settings.duties.repair_grace),
            settings.cluster_keys,
        ));
        let (ways, duties) = ((Arc::clone(&routes), Arc::clone(&client)), settings.duties);
        let duties = Arc::new(DutyContext::new(surroundings, &local, ways, map_store, duties));
        membership.watch();
        Ok(Arc::new(Self { id, drives, replicas, membership, duties, local, routes, client, forgetful, omitted, stop }))
    }

    /// The second half of a start: opens the replicas that keep the map, once the others were asked what they know of
    /// the drives here, registers with the meta group, then opens everything else. With other nodes about it waits for
    /// them as long as it takes.
    pub async fn begin(&self) -> Result<(), NodeError> {
        let membership = &self.membership;
        let mut forgetful = self.forgetful.clone();
        membership.forgotten_by_others(&mut forgetful).await;
        self.replicas.open_meta_group(&forgetful.ids::<Vec<_>>()).await?;
        loop {
            match membership.register(&forgetful).await {
                Err(NodeError::Map(reason)) if membership.is_alone() && !self.omitted.is_empty() => {
                    let left = self.omitted.told();
                    return Err(NodeError::TooFewDrives(format!(
                        "the cluster map needs more of them ({reason}): {left}"
                    )));
                }
                Err(NodeError::Map(reason)) if !membership.is_alone() && !self.stop.is_stopping() => {
                    let hint =
                        "a node that was expelled is answered by nobody: `couronne node list` at another node says so";
                    tracing::warn!(reason, hint, "the cluster map does not answer yet");
                    sleep(REGISTER_AGAIN).await;
                }
                registered => break registered?,
            }
        }
        self.replicas.forget_unnamed().await;
        self.replicas.open_assigned(&*membership.map_store).await?;
        membership.follow_map();
        duties::begin(&self.duties);
        self.await_leaders().await;
        Ok(())
    }

    /// Waits until every range with a quorum here has a leader, a few seconds at most.
    async fn await_leaders(&self) {
        let began = Instant::now();
        while began.elapsed() < LEADERS_WAIT {
            if self.replicas.have_leaders() {
                self.membership.reporter().report_once(&*self.membership).await;
                if self.membership.leads_map() {
                    self.membership.keep_map().await;
                }
                return;
            }
            sleep(LEADERS_POLL).await;
        }
        tracing::warn!("some ranges have no leader yet");
    }

    /// Makes ready to stop: to be called before the doors close.
    pub async fn leave(&self) {
        self.membership.leave().await;
    }

    /// Stops the node as a kill would: nothing is flushed. Returns once nothing of it runs.
    pub async fn abandon(&self) {
        self.stop.stop();
        for drive in self.drives.mounted() {
            drive.take_down("abandoned");
        }
        self.replicas.abandon().await;
    }

    /// Stops the node: what was applied is flushed, so that the next start has little to read again.
    pub async fn shutdown(&self) {
        self.stop.stop();
        self.replicas.shutdown().await;
        for drive in self.drives.mounted() {
            let flushed = if drive.is_well() { timeout(FLUSH_WAIT, drive.shards.flush()).await.ok() } else { None };
            if !matches!(flushed, Some(Ok(()))) {
                tracing::warn!(drive = drive.name, "shard index was not flushed");
            }
            drive.take_down("the node stopped");
        }
    }
}
