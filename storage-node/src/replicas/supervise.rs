//! Watching over the replicas of a running node: those that stop, members to be replaced, leaderships.
//!
//! Promises: the replicas of a drive that failed are out of service with it; the members of a group that is led here
//! become those that the map wants (`super::exchange`). Leadership that is here and ought not to be is transferred: on
//! a full drive, by a wrong clock, or for the sake of balance.
//! Must not know: rows, requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couronne_base::mutant;
use couronne_cluster::WriteState;
use couronne_metadata::ids::RangeId;
use couronne_ring::DriveId;
use futures_util::future::{join, join_all};
use tokio::time::{Instant, timeout};

use super::balance::Balance;
use super::{RangeServer, RenewReplicas, Replicas};
use crate::drives::{MountedDrive, OnFailure};
use crate::rounds::{self, Rounds};

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

impl Replicas {
    /// Begins to look after leaders, if nobody else does: with others about, every replica keeps its own time.
    pub(crate) fn keep_leaders(self: &Arc<Self>) {
        if self.is_alone() {
            rounds::begin(self, &self.stop, LeaderKeeping::default());
        }
    }
}

/// Has every range with a quorum here a leader, and keeps the leases of those in use. All replicas of
/// a range live here, so nobody else stands for election, and idle ranges need no heartbeats: the
/// first read asks a quorum.
#[derive(Default)]
struct LeaderKeeping {
    idle_ticks: BTreeMap<RangeId, u32>,
}

impl LeaderKeeping {
    /// Whether a range gets a heartbeat in this round.
    fn is_due(&mut self, leader: &RangeServer) -> bool {
        let idle = self.idle_ticks.entry(leader.descriptor().id).or_default();
        *idle = if leader.take_used() { 0 } else { idle.saturating_add(1) };
        if *idle < IDLE_TICKS { idle.is_multiple_of(HEARTBEAT_TICKS) } else { idle.is_multiple_of(RARE_TICKS) }
    }
}

#[async_trait]
impl Rounds for LeaderKeeping {
    type Of = Replicas;

    fn rest(&self, _: &Replicas) -> Duration {
        TICK
    }

    async fn round(&mut self, replicas: &Arc<Replicas>) -> bool {
        let leaders = replicas.all_leaders().into_iter().filter(|leader| self.is_due(leader)).collect::<Vec<_>>();
        let candidates = replicas.candidates();
        let heartbeats = join_all(leaders.iter().map(|leader| leader.consensus().heartbeat()));
        let elections = join_all(candidates.iter().map(|candidate| candidate.consensus().elect()));
        // One that takes no orders, for it waits for its drive, holds up no other range.
        drop(timeout(TICK, join(heartbeats, elections)).await);
        true
    }
}

/// What looking after replicas that stopped, after members and after leaderships leaves from one round to the next.
#[derive(Default)]
pub(crate) struct Supervision {
    /// When a replica last ended that was not opened again since.
    ended: Option<Instant>,
    balance: Balance,
}

impl Supervision {
    /// One round, about once a second.
    pub(crate) async fn round(&mut self, replicas: &Replicas, renew: &dyn RenewReplicas) {
        if replicas.drop_stopped() {
            self.ended = Some(Instant::now());
        }
        if self.ended.is_some_and(|at| at.elapsed() >= BEGIN_AGAIN_AFTER) {
            self.ended = if replicas.try_open_assigned(renew).await { None } else { Some(Instant::now()) };
        }
        for reverted in replicas.reversions.take() {
            if let Err(error) = renew.give_up_replica(reverted).await {
                tracing::error!(replica = %reverted, %error, "replica that lacks what it had acknowledged stays");
                replicas.reversions.note(reverted);
            }
        }
        replicas.renew_rotten(renew).await;
        for leader in replicas.all_leaders() {
            replicas.exchange_members(&leader).await;
            let is_full = replicas.drives.find(leader.drive()).is_some_and(|drive| drive.writes() == WriteState::Full);
            if is_full || replicas.clock.differs().is_some() {
                replicas.transfer_leadership(&leader).await;
            }
        }
        if !replicas.is_alone()
            && let Some((leader, to)) = self.balance.next(replicas)
        {
            leader.consensus().transfer_leadership(&BTreeSet::from([to]), BALANCE_LAG_MAX).await;
        }
    }
}

#[async_trait]
impl OnFailure for Replicas {
    /// Takes a drive out of service, and its replicas with it.
    async fn drive_failed(&self, drive: &MountedDrive, reason: &str) {
        drive.take_down(reason);
        if self.stop.is_stopping() || !drive.mark_failed() {
            return;
        }
        tracing::error!(drive = drive.name, id = %drive.id, reason, "the drive was marked failed");
        let lost: Vec<Arc<RangeServer>> = {
            let mut servers = self.servers.write();
            let keys: Vec<_> = servers.keys().filter(|(_, place)| *place == drive.id).copied().collect();
            keys.iter().filter_map(|key| servers.remove(key)).collect()
        };
        self.end(lost).await;
        // What is kept in mind would keep the drive's stores open.
        self.rotten.lock().retain(|server| server.drive() != drive.id);
        self.drives.show();
    }

    /// Has the replicas of a slow drive stand for no election, and others lead what they lead. They stay members, and
    /// wait for what they asked of the drive.
    async fn drive_is_slow(&self, drive: &MountedDrive, is_slow: bool) {
        for server in self.all_servers().into_iter().filter(|server| server.drive() == drive.id) {
            server.consensus().set_slow(is_slow);
            let gives_up = is_slow && !mutant!(KeepLeaseOnHungDrive);
            if gives_up && server.consensus().leadership().is_some() {
                self.transfer_leadership(&server).await;
            }
        }
    }
}

impl Replicas {
    /// Of every range that has a quorum here and no leader, the replica with the longest log of those that may be
    /// elected. One that transferred its leadership may not, though nobody took over: it goes on sending the others
    /// what it wrote, until one of them has it all.
    fn candidates(&self) -> Vec<Arc<RangeServer>> {
        let mut ranges: BTreeMap<RangeId, Vec<Arc<RangeServer>>> = BTreeMap::new();
        let is_slow = |drive: &DriveId| self.drives.find(*drive).is_some_and(|drive| drive.is_slow());
        // One on a drive that hangs neither votes nor is elected.
        for ((range, _), server) in self.servers.read().iter().filter(|((_, drive), _)| !is_slow(drive)) {
            ranges.entry(*range).or_default().push(Arc::clone(server));
        }
        ranges.retain(|_, replicas| {
            let led = replicas.first().is_some_and(|replica| self.is_led_here(replica.descriptor().id));
            let here: BTreeSet<_> = replicas.iter().map(|replica| replica.replica()).collect();
            let elects = |replica: &Arc<RangeServer>| {
                let sets = replica.consensus().members().voters;
                sets.iter().all(|set| set.intersection(&here).count() * 2 > set.len())
            };
            !led && replicas.iter().any(elects)
        });
        // One that has no vote stands in vain.
        let votes = |replica: &Arc<RangeServer>| {
            replica.consensus().members().voters.iter().any(|set| set.contains(&replica.replica()))
        };
        let rank = |replica: &Arc<RangeServer>| (votes(replica), replica.consensus().last());
        let longest = |replicas: Vec<Arc<RangeServer>>| {
            replicas.into_iter().filter(|replica| replica.consensus().may_be_elected()).max_by_key(rank)
        };
        ranges.into_values().filter_map(longest).collect()
    }

    /// Whether a replica here leads the range.
    fn is_led_here(&self, range: RangeId) -> bool {
        let servers = self.servers.read();
        let mut replicas = servers.range((range, DriveId(0))..=(range, DriveId(u128::MAX)));
        replicas.any(|(_, server)| server.consensus().leadership().is_some())
    }

    /// Forgets replicas that have stopped for good; whether there were any.
    fn drop_stopped(&self) -> bool {
        if self.all_servers().iter().all(|server| server.consensus().stopped().is_none()) {
            return false;
        }
        self.servers.write().retain(|_, server| match server.consensus().stopped() {
            None => true,
            Some(reason) => {
                tracing::error!(replica = %server.replica(), reason, "a replica stopped");
                self.local_peers.disconnect(server.replica());
                self.keep_if_rotten(server);
                false
            }
        });
        true
    }

    /// Whether every range with a quorum here has a leader that can be asked.
    pub(crate) fn have_leaders(&self) -> bool {
        let ready = self.all_servers().iter().filter(|server| server.is_ready()).count();
        ready == self.ranges_with_quorum()
    }

    fn ranges_with_quorum(&self) -> usize {
        let servers = self.servers.read();
        let here: BTreeSet<_> = servers.values().map(|server| server.replica()).collect();
        let map = self.map.state();
        map.all_ranges().filter(|range| range.keeps_quorum(|replica, _| !here.contains(&replica))).count()
    }
}
