//! Watching over a running node: drives that fail, replicas that stop, members to be replaced.
//!
//! Promises: a drive that failed or vanished is out of service within about a second, and its
//! replicas with it; a replica that replaces another becomes a voter once it has caught up. What is led here and
//! ought not to be is handed over: on a full drive, by a wrong clock, or for the sake of balance.
//! Must not know: rows, requests.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use couronne_base::blocking::blocking;
use couronne_metadata::ids::RangeId;
use couronne_protocol::map::{ClusterMap, DriveState, Intake, MapRange, MapState, ReplicaId};
use couronne_ring::{DriveId, NodeId};
use tokio::time::{Instant, sleep};

use super::balance::Balance;
use super::slot::Slot;
use super::{LocalNode, reports};
use crate::disk::Access;
use crate::range_server::RangeServer;

/// How often drives and replicas are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// How long a change of members may take before other ranges have their turn.
const CATCH_UP_WAIT: Duration = Duration::from_secs(60);

/// How often leaders are looked after.
const TICK: Duration = Duration::from_millis(100);

/// A range in use gets a heartbeat every so many ticks: well within a leader's lease.
const HEARTBEAT_TICKS: u32 = 2;

/// A range not asked anything for so many ticks is idle.
const IDLE_TICKS: u32 = 20;

/// An idle range gets a heartbeat every so many ticks, so that followers learn what was committed.
const RARE_TICKS: u32 = 50;

/// What a replica may lack of its leader's log to lead instead for the sake of balance, in entries.
const BALANCE_LAG_MAX: u64 = 256;

/// So long after a replica ended it begins again, under a new id if its rows are worthless: what ended it
/// is not to end it at once again.
const BEGIN_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// How long a start waits for leaders.
const LEADERS_WAIT: Duration = Duration::from_secs(5);

/// A file that a drive always has: gone, the folder was deleted.
const IDENTITY: &str = "drive";

/// Begins to watch. The tasks end with the node.
pub(super) fn begin(node: &Arc<LocalNode>) {
    node.slots().for_each(|slot| watch(node, &slot));
    tokio::spawn(watch_replicas(Arc::downgrade(node)));
    tokio::spawn(keep_leaders(Arc::downgrade(node)));
    tokio::spawn(reports::report(Arc::downgrade(node)));
}

/// Begins to watch a drive, until it is out of service.
pub(super) fn watch(node: &Arc<LocalNode>, slot: &Arc<Slot>) {
    tokio::spawn(watch_log(Arc::downgrade(node), Arc::clone(slot)));
    tokio::spawn(watch_drive(Arc::downgrade(node), Arc::clone(slot)));
}

async fn watch_log(node: Weak<LocalNode>, slot: Arc<Slot>) {
    let error = slot.log.failed().await;
    if let Some(node) = node.upgrade() {
        node.lose_drive(&slot, &error.to_string()).await;
    }
}

async fn watch_drive(node: Weak<LocalNode>, slot: Arc<Slot>) {
    loop {
        sleep(ROUND).await;
        let Some(node) = node.upgrade() else { return };
        if *node.stopping.borrow() || slot.down().is_some() {
            return;
        }
        if let Err(error) = slot.disk.open(IDENTITY, Access::Buffered).await
            && error.kind() == io::ErrorKind::NotFound
        {
            node.lose_drive(&slot, "its folder is gone").await;
            return;
        }
        if slot.look_at_space().await {
            tracing::warn!(drive = slot.name, intake = ?slot.intake(), "the drive's space for new data changes");
            node.show_drives();
        }
        match slot.shards.maintain().await {
            Ok(_) => {}
            Err(couronne_protocol::shard::ShardError::Down(reason)) => {
                node.lose_drive(&slot, &reason).await;
                return;
            }
            Err(error) => tracing::warn!(drive = slot.name, %error, "housekeeping of a drive failed"),
        }
    }
}

/// Has every range with a quorum here a leader, and keeps the leases of those in use. All replicas of
/// a range live here, so nobody else stands for election, and idle ranges need no heartbeats: the
/// first read asks a quorum.
async fn keep_leaders(node: Weak<LocalNode>) {
    let mut idle_ticks: BTreeMap<RangeId, u32> = BTreeMap::new();
    loop {
        sleep(TICK).await;
        let Some(node) = node.upgrade() else { return };
        if *node.stopping.borrow() {
            return;
        }
        let leaders = node.all_servers().into_iter().filter(|server| server.consensus().leadership().is_some());
        // With others about, every replica keeps its own time.
        for leader in leaders.filter(|_| node.is_alone()) {
            let idle = idle_ticks.entry(leader.descriptor().id).or_default();
            *idle = if leader.take_used() { 0 } else { idle.saturating_add(1) };
            let due =
                if *idle < IDLE_TICKS { idle.is_multiple_of(HEARTBEAT_TICKS) } else { idle.is_multiple_of(RARE_TICKS) };
            if due {
                leader.consensus().heartbeat().await;
            }
        }
        for candidate in node.candidates().iter().filter(|_| node.is_alone()) {
            candidate.consensus().elect().await;
        }
    }
}

async fn watch_replicas(node: Weak<LocalNode>) {
    let (mut ended, mut balance) = (None::<Instant>, Balance::default());
    loop {
        sleep(ROUND).await;
        let Some(node) = node.upgrade() else { return };
        if *node.stopping.borrow() {
            return;
        }
        if node.drop_stopped() {
            ended = Some(Instant::now());
        }
        if ended.is_some_and(|at| at.elapsed() >= BEGIN_AGAIN_AFTER) {
            ended = if reports::open_assigned(&node).await { None } else { Some(Instant::now()) };
        }
        if node.leads_map() {
            node.keep_map().await;
        }
        for leader in node.all_servers().into_iter().filter(|server| server.consensus().leadership().is_some()) {
            node.reconcile(&leader).await;
            let is_full = node.slot(leader.drive()).is_some_and(|slot| slot.intake() == Intake::Full);
            if is_full || node.clock.differs().is_some() {
                node.hand_over(&leader).await;
            }
        }
        if !node.is_alone()
            && let Some((leader, to)) = balance.next(&node)
        {
            leader.consensus().transfer_leadership(&BTreeSet::from([to]), BALANCE_LAG_MAX).await;
        }
    }
}

impl LocalNode {
    /// Of every range that has a quorum here and no leader, the replica with the longest log.
    fn candidates(&self) -> Vec<Arc<RangeServer>> {
        let mut ranges: BTreeMap<RangeId, Vec<Arc<RangeServer>>> = BTreeMap::new();
        for ((range, _), server) in &*self.servers.read() {
            ranges.entry(*range).or_default().push(Arc::clone(server));
        }
        ranges.retain(|_, replicas| {
            let led = replicas.iter().any(|replica| replica.consensus().leadership().is_some());
            let wanted = replicas.first().map_or(0, |replica| replica.descriptor().replicas.len());
            !led && replicas.len() * 2 > wanted
        });
        let longest = |replicas: Vec<Arc<RangeServer>>| replicas.into_iter().max_by_key(|r| r.consensus().last());
        ranges.into_values().filter_map(longest).collect()
    }

    /// Takes a drive out of service, and its replicas with it.
    pub(super) async fn lose_drive(&self, slot: &Slot, reason: &str) {
        slot.take_down(reason);
        if *self.stopping.borrow() || !slot.mourn() {
            return;
        }
        tracing::error!(drive = slot.name, id = %slot.id, reason, "drive is out of service");
        let lost: Vec<Arc<RangeServer>> = {
            let mut servers = self.servers.write();
            let keys: Vec<_> = servers.keys().filter(|(_, drive)| *drive == slot.id).copied().collect();
            keys.iter().filter_map(|key| servers.remove(key)).collect()
        };
        for server in lost {
            self.local_peers.disconnect(server.replica());
            server.consensus().shutdown().await;
        }
        self.show_drives();
    }

    /// Forgets replicas that have stopped for good; whether there were any.
    fn drop_stopped(&self) -> bool {
        if self.all_servers().iter().all(|server| server.consensus().stopped().is_none()) {
            return false;
        }
        self.servers.write().retain(|_, server| match server.consensus().stopped() {
            None => true,
            Some(reason) => {
                tracing::error!(replica = %server.replica(), reason, "replica stopped");
                self.local_peers.disconnect(server.replica());
                false
            }
        });
        true
    }

    /// Shows at once what is known here of this node's drives.
    pub(super) fn show_drives(&self) {
        self.map.show(view(&self.map(), self.id, &self.slots.load()));
    }

    /// Makes the members of a range those that the map names.
    async fn reconcile(&self, leader: &RangeServer) {
        let wanted: BTreeMap<ReplicaId, DriveId> = {
            let map = self.map();
            map.range(leader.descriptor().id).map(|range| range.replicas.clone()).unwrap_or_default()
        };
        let members = leader.consensus().members();
        let voters: BTreeSet<ReplicaId> = wanted.keys().copied().collect();
        if wanted.is_empty() || members.voters == [voters] {
            return;
        }
        let range = leader.descriptor().id;
        let map = self.map();
        let is_here = |drive: &DriveId| match map.drives.get(drive) {
            Some(known) if known.node == self.id => self.servers.read().contains_key(&(range, *drive)),
            Some(known) => known.down_since_ms.is_none(),
            None => false,
        };
        if !wanted.values().all(is_here) {
            // A member that cannot catch up would only be in the way.
            return;
        }
        tracing::info!(range = range.0, "replacing members");
        let changing = leader.consensus().change_members(wanted.into_iter().collect());
        match tokio::time::timeout(CATCH_UP_WAIT, changing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(range = range.0, %error, "members could not be replaced yet"),
            Err(_) => tracing::warn!(range = range.0, "a new member is still catching up"),
        }
    }

    /// Waits until every range with a quorum here has a leader, a few seconds at most.
    pub(super) async fn await_leaders(&self) {
        let began = Instant::now();
        while began.elapsed() < LEADERS_WAIT {
            let ready = self.all_servers().iter().filter(|server| server.is_ready()).count();
            if ready == self.ranges_with_quorum() {
                self.report_once(&mut None).await;
                if self.leads_map() {
                    self.keep_map().await;
                }
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        tracing::warn!("some ranges have no leader yet");
    }

    fn ranges_with_quorum(&self) -> usize {
        let servers = self.servers.read();
        let map = self.map();
        let has_quorum = |range: &&MapRange| {
            let here = range.replicas.values().filter(|drive| servers.contains_key(&(range.id, **drive))).count();
            here * 2 > range.replicas.len()
        };
        map.all_ranges().filter(has_quorum).count()
    }

    /// Whether every range has all its replicas here as voters.
    pub fn is_whole(&self) -> bool {
        let leaders = self.all_servers();
        let leaders: Vec<_> = leaders.iter().filter(|server| server.consensus().leadership().is_some()).collect();
        self.map().all_ranges().all(|range| {
            let voters: BTreeSet<ReplicaId> = range.replicas.keys().copied().collect();
            let leader = leaders.iter().find(|leader| leader.descriptor().id == range.id);
            let serving = range.replicas.values().all(|drive| self.servers.read().contains_key(&(range.id, *drive)));
            serving && leader.is_some_and(|leader| leader.consensus().committed_members().voters == [voters])
        })
    }

    /// Stops the node as a kill would: nothing is flushed. Returns once nothing of it runs.
    pub async fn abandon(&self) {
        self.stopping.send_replace(true);
        for slot in self.slots() {
            slot.take_down("abandoned");
        }
        let servers = std::mem::take(&mut *self.servers.write());
        for server in servers.into_values() {
            self.local_peers.disconnect(server.replica());
            server.consensus().shutdown().await;
        }
    }

    /// Stops the node: what was applied is flushed, so that the next start has little to read again.
    pub async fn shutdown(&self) {
        self.stopping.send_replace(true);
        for server in self.all_servers() {
            if let Err(error) = server.consensus().checkpoint(false).await {
                tracing::warn!(replica = %server.replica(), %error, "replica was not flushed");
            }
        }
        for server in self.all_servers() {
            self.local_peers.disconnect(server.replica());
            server.consensus().shutdown().await;
        }
        for slot in self.slots() {
            let shards = slot.shards.clone();
            let flushed = blocking(move || shards.flush()).await;
            if !matches!(flushed, Ok(Ok(()))) {
                tracing::warn!(drive = slot.name, "shard index was not flushed");
            }
            slot.take_down("the node stopped");
        }
    }
}

/// The map as gateways see it: what is known here of this node's drives, whatever the map says yet.
pub(super) fn view(map: &MapState, node: NodeId, slots: &BTreeMap<DriveId, Arc<Slot>>) -> ClusterMap {
    let mut view = map.view();
    for (id, drive) in view.drives.iter_mut().filter(|(_, drive)| drive.node == node) {
        match slots.get(id).filter(|slot| slot.down().is_none()) {
            None => drive.state = DriveState::Down,
            Some(slot) if slot.intake() != Intake::Open => drive.state = DriveState::Closed,
            Some(_) => {}
        }
    }
    view
}
