//! The replicas of this node: opened as the map names them, at the start and whenever it changes.
//!
//! Promises: a replica whose rows cannot be gone on with begins anew under a new id, never under its
//! old one; a range gets its first members once, the same whichever replica makes them.
//! Must not know: requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use couronne_cluster::changes;
use couronne_cluster::map::{ClusterMap, MAP_RANGE, MapRange, ReplicaId};
use couronne_metadata::ids::RangeId;
use couronne_metadata::store::StoreError;
use couronne_ring::DriveId;

use super::range_server::{RangeComponents, RangeServer};
use super::{OpenRowsError, RangeStateMachine, Replicas, StartState};
use crate::consensus::types::Position;
use crate::consensus::{self, Consensus, ReplicaComponents, StateMachine};
use crate::drives::{MountedDrive, replica_store};
use crate::error::NodeError;

/// Gives replicas new ids in the map.
#[async_trait]
pub(crate) trait RenewReplicas: Send + Sync + 'static {
    /// Returns once the map known here names the new ones.
    async fn renew_replicas(&self, replicas: &[(DriveId, ReplicaId)]) -> Result<(), NodeError>;

    /// Gives a replica of a range a new id, if the map names these voters: while others are being replaced it waits.
    /// Whether it did.
    async fn renew_one(
        &self,
        range: RangeId,
        replica: ReplicaId,
        voters: &BTreeSet<ReplicaId>,
    ) -> Result<bool, NodeError>;

    /// Gives all replicas of a replica's drive new ids: it lacks what it had acknowledged.
    async fn give_up_replica(&self, replica: ReplicaId) -> Result<(), NodeError>;
}

/// Rows of replicas that are not open yet.
type StateMachines = BTreeMap<ReplicaId, Arc<RangeStateMachine>>;

/// A replica that was opened, not yet serving.
struct Opened {
    range: MapRange,
    replica: ReplicaId,
    drive: Arc<MountedDrive>,
    group: Arc<dyn Consensus>,
    state_machine: Arc<RangeStateMachine>,
    last: Option<Position>,
}

impl Replicas {
    /// Opens the replicas that keep the map and are not open yet, on drives that have not forgotten anything.
    pub(crate) async fn open_meta_group(&self, forgetful: &[DriveId]) -> Result<(), NodeError> {
        let _opening = self.opening.lock().await;
        let map = self.map.state();
        let mut state_machines = BTreeMap::new();
        let open: BTreeSet<ReplicaId> = self.all_servers().iter().map(|server| server.replica()).collect();
        for (replica, drive) in map.meta_group.places().filter(|(replica, _)| !open.contains(replica)) {
            let Some(place) = self.drives.find(drive).filter(|place| !place.is_new() && !forgetful.contains(&drive))
            else {
                continue;
            };
            match open_state_machine(&place, replica).await {
                Ok(Some(state_machine)) => drop(state_machines.insert(replica, state_machine)),
                Ok(None) => tracing::warn!(%replica, "replica was being rebuilt when it stopped: it waits"),
                Err(error) => tracing::error!(%replica, drive = place.name, %error, "replica is left out"),
            }
        }
        self.begin_replicas(&[&map.meta_group], state_machines).await
    }

    /// Opens every replica that the map has on drives here and that is not open yet.
    pub(crate) async fn open_assigned(&self, renew: &dyn RenewReplicas) -> Result<(), NodeError> {
        let _opening = self.opening.lock().await;
        let (state_machines, broken) = self.open_state_machines(&self.map.state()).await;
        let state_machines = if broken.is_empty() {
            state_machines
        } else {
            self.replace_broken(state_machines, &broken, renew).await?
        };
        let map = self.map.state();
        let ranges: Vec<&MapRange> = map.all_ranges().collect();
        self.begin_replicas(&ranges, state_machines).await
    }

    /// The same, reported where it fails; whether that went well.
    pub(crate) async fn try_open_assigned(&self, renew: &dyn RenewReplicas) -> bool {
        let opened = self.open_assigned(renew).await;
        if let Err(error) = &opened {
            tracing::error!(%error, "replicas that the map names are not all open");
        }
        opened.is_ok()
    }

    /// The rows of replicas that are not open yet, and those replicas whose rows are worthless.
    async fn open_state_machines(&self, map: &ClusterMap) -> (StateMachines, Vec<(DriveId, ReplicaId)>) {
        let rotten = self.rotten.lock().iter().map(|server| server.replica()).collect::<Vec<_>>();
        let open = self.servers.read().values().map(|server| server.replica()).collect::<Vec<_>>();
        let open: BTreeSet<ReplicaId> = open.into_iter().chain(rotten).collect();
        let (mut state_machines, mut broken) = (BTreeMap::new(), Vec::new());
        for (replica, drive) in map.places().into_iter().filter(|(replica, _)| !open.contains(replica)) {
            // Of a drive that hangs they are opened when it is back, which the map says.
            // On one that begins anew the map names others first.
            let may_open = |place: &Arc<MountedDrive>| place.is_well() && !place.is_new();
            let Some(place) = self.drives.find(drive).filter(may_open) else { continue };
            match open_state_machine(&place, replica).await {
                Ok(Some(state_machine)) => drop(state_machines.insert(replica, state_machine)),
                Ok(None) => broken.push((drive, replica)),
                Err(error) => tracing::error!(%replica, drive = place.name, %error, "replica is left out"),
            }
        }
        (state_machines, broken)
    }

    /// Gives replicas whose rows were being replaced when they stopped new ids; they begin empty.
    async fn replace_broken(
        &self,
        state_machines: StateMachines,
        broken: &[(DriveId, ReplicaId)],
        renew: &dyn RenewReplicas,
    ) -> Result<StateMachines, NodeError> {
        let worthless: BTreeSet<ReplicaId> = broken.iter().map(|(_, replica)| *replica).collect();
        let map = self.map.state();
        let (replaced, left_out): (Vec<_>, Vec<_>) =
            broken.iter().copied().partition(|(_, replica)| changes::renewable(&map, *replica, &worthless));
        for (_, replica) in left_out {
            tracing::error!(%replica, "rows are behind the log, and too few other replicas are left: left out");
        }
        if replaced.is_empty() {
            return Ok(state_machines);
        }
        tracing::warn!(replicas = ?replaced, "replicas were being rebuilt when they stopped: they begin anew");
        renew.renew_replicas(&replaced).await?;
        self.forget_unnamed().await;
        let (mut opened, _) = self.open_state_machines(&self.map.state()).await;
        opened.extend(state_machines);
        Ok(opened)
    }

    /// Ends the replicas here that the map does not name, and removes what is left of them: their ids were given up,
    /// so they vote no more. Failing at it costs space only.
    pub(crate) async fn forget_unnamed(&self) {
        let named: BTreeSet<ReplicaId> = self.map.state().places().into_iter().map(|(replica, _)| replica).collect();
        let ended: Vec<Arc<RangeServer>> = {
            let mut servers = self.servers.write();
            let unnamed = servers.iter().filter(|(_, server)| !named.contains(&server.replica()));
            let keys: Vec<_> = unnamed.map(|(key, _)| *key).collect();
            keys.iter().filter_map(|key| servers.remove(key)).collect()
        };
        self.end(ended).await;
        for drive in self.drives.mounted().filter(|drive| drive.is_well()) {
            let left = drive
                .log
                .replicas()
                .into_iter()
                .filter(|(replica, is_destroyed)| !is_destroyed && !named.contains(replica));
            for (replica, _) in left {
                if let Ok(log) = drive.log.replica(replica)
                    && let Err(error) = log.destroy().await
                {
                    tracing::warn!(%replica, %error, "old replica's log stays");
                }
                let stores = Arc::clone(&drive.stores);
                let removed = drive.threads.run(move || stores.remove(&replica_store(replica))).await;
                if let Err(error) = removed.and_then(|removed| removed) {
                    tracing::warn!(%replica, %error, "old replica's rows stay");
                }
            }
        }
    }

    /// Has replicas take part in their groups, and serve.
    async fn begin_replicas(&self, ranges: &[&MapRange], mut state_machines: StateMachines) -> Result<(), NodeError> {
        let mut opened = Vec::new();
        for range in ranges {
            for (replica, drive) in range.places() {
                let (Some(place), Some(state_machine)) = (self.drives.find(drive), state_machines.remove(&replica))
                else {
                    continue;
                };
                match self.open_replica(&place, range, replica, state_machine).await {
                    Ok(replica) => opened.push(replica),
                    Err(error) => tracing::error!(%replica, drive = place.name, %error, "replica is left out"),
                }
            }
        }
        initialize(&opened).await?;
        if self.is_alone() {
            elect(&opened).await;
        }
        let mut servers = self.servers.write();
        for Opened { range, replica, drive, group, state_machine, .. } in opened {
            let components = RangeComponents {
                descriptor: range.descriptor(),
                replica,
                drive: drive.id,
                consensus: group,
                state_machine,
                log: Arc::clone(&drive.log),
                env: self.env.clone(),
                clock: Arc::clone(&self.clock),
                time: Arc::clone(&self.time),
                evaluation: self.settings.evaluation.clone(),
                reads: self.settings.reads,
            };
            servers.insert((range.id, drive.id), Arc::new(RangeServer::new(components)));
        }
        Ok(())
    }

    async fn open_replica(
        &self,
        drive: &Arc<MountedDrive>,
        range: &MapRange,
        replica: ReplicaId,
        state_machine: Arc<RangeStateMachine>,
    ) -> Result<Opened, NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::Replica(format!("{replica}: {error}"));
        let log = drive.log.replica(replica).map_err(|error| failed(&error))?;
        let last = log.bounds().last;
        let rows: Arc<dyn StateMachine> = state_machine.clone();
        let components = ReplicaComponents {
            replica,
            drive: drive.id,
            log,
            state_machine: rows,
            local_peers: self.local_peers.clone(),
            network: self.network(),
            reversions: self.reversions.clone(),
            env: self.env.clone(),
        };
        // A lone node holds the locks of all drives that replicas can be on, and has just started: no
        // leader from before can still count on a lease. Elsewhere one may, unless the replica is new.
        let quiet = !self.is_alone() && last.is_some();
        let group =
            consensus::start(components, self.settings.consensus, quiet).await.map_err(|error| failed(&error))?;
        Ok(Opened { range: range.clone(), replica, drive: Arc::clone(drive), group, state_machine, last })
    }
}

/// The rows of a replica; `None` if they cannot be gone on with.
async fn open_state_machine(
    drive: &MountedDrive,
    replica: ReplicaId,
) -> Result<Option<Arc<RangeStateMachine>>, NodeError> {
    let failed = |error: &dyn std::fmt::Display| NodeError::Replica(format!("{replica}: {error}"));
    let stores = Arc::clone(&drive.stores);
    let store = drive.threads.run(move || stores.open(&replica_store(replica))).await;
    let store = store.and_then(|store| store).map_err(|error| failed(&error))?;
    let (state_machine, state) = match RangeStateMachine::open(store, drive.threads.clone()).await {
        Err(OpenRowsError::Store(StoreError::Rotten(what))) => {
            tracing::error!(%replica, drive = drive.name, what, "rows are rotten: the replica begins anew");
            return Ok(None);
        }
        opened => opened.map_err(|error| failed(&error))?,
    };
    let Ok(log) = drive.log.replica(replica) else { return Ok(None) };
    let purged = log.bounds().purged.map(|purged| purged.index);
    let behind = purged.is_some_and(|purged| state_machine.position().is_none_or(|applied| applied.index < purged));
    Ok((state == StartState::Sound && !behind).then(|| Arc::new(state_machine)))
}

/// Makes the first members of ranges that never had a leader. In one process one of them does it; in
/// several, each makes the same.
async fn initialize(opened: &[Opened]) -> Result<(), NodeError> {
    let mut done: BTreeSet<RangeId> =
        opened.iter().filter(|opened| opened.last.is_some()).map(|opened| opened.range.id).collect();
    for Opened { range, replica, group, .. } in opened {
        if range.initial_voters.contains_key(replica) && done.insert(range.id) {
            let initialized = group.initialize(&range.initial_voters).await;
            initialized.map_err(|error| NodeError::Replica(error.to_string()))?;
        }
    }
    Ok(())
}

/// Has a replica with the longest log of each range stand for election at once, spread over drives.
async fn elect(opened: &[Opened]) {
    let mut leads: BTreeMap<DriveId, usize> = BTreeMap::new();
    let mut ranges: BTreeMap<RangeId, Vec<&Opened>> = BTreeMap::new();
    for replica in opened {
        ranges.entry(replica.range.id).or_default().push(replica);
    }
    for (range, replicas) in ranges {
        let longest = replicas.iter().map(|replica| replica.last).max().flatten();
        let candidates = replicas.iter().filter(|replica| replica.last == longest);
        let Some(best) = candidates.min_by_key(|replica| leads.get(&replica.drive.id).copied().unwrap_or(0)) else {
            continue;
        };
        if longest.is_some() {
            // The meta group has little to do.
            *leads.entry(best.drive.id).or_default() += usize::from(range != MAP_RANGE);
            best.group.elect().await;
        }
    }
}
