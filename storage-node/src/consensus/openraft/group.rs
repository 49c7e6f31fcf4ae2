//! One replica's part in its range's consensus, as the rest of the node drives it.
//!
//! Time in a cluster (`own_time`), as the library keeps it; all of it was read in its source.
//! - A follower's lease is `election_max`, counted from when it took the leader's last message; while it
//!   runs the follower refuses votes and pre-votes alike, and stands for none itself. A late answer to a
//!   pre-vote cannot break it: each message of the leader ends the round.
//! - A leader counts from when it *sent* what a quorum acknowledged, itself included: before any of that
//!   quorum took it. A later leader needs a vote of one of them, so it cannot exist before the follower's
//!   lease that began last has run out. The leader uses 0.8 of it, so clocks may differ by a fifth in rate.
//!   Not even the leader itself votes for another before a whole `election_max` has passed.
//! - Only the leader itself frees its followers of their leases, to be followed without a wait. Before it
//!   tells anyone it has ceased to lead, for good in that term. A vote that the old leader ordered would
//!   override leases in the library; that mark does not travel, so a follower that was not told keeps faith.
//! - Leases are forgotten in a restart: a replica that may have promised one is quiet for `election_max`.
//! - Heartbeats go out on a rhythm (`super::heartbeat`), apart from entries, also when nothing is written. The
//!   library ticks (13/64 of `heartbeat`) only in a replica that hears no leader.
//! - After a leader's death a follower waits for its lease, then for a time drawn anew for every round
//!   from `election_min..election_max`, then for a tick: one leads within 2 `election_max` and a few
//!   messages. If votes split, the next round comes within 1 more. A replica that saw a longer log waits 2 more.
//! - A leader whose answers get lost would keep its followers faithful for ever. So without a quorum it
//!   falls silent for 3 `election_max` at a time, long enough for the others to elect.
//!
//! Must not know: rows, commands, files, messages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::env::Env;
use couronne_base::mutant;
use couronne_ring::DriveId;
use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, InitializeError, RaftError};
use openraft::impls::ProgressResponder;
use openraft::type_config::alias::WriteResponderOf;
use openraft::{ChangeMembers, Config, Precondition, Raft, RaftMetrics, ReadPolicy, ServerState, SnapshotPolicy};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::convert::{from_membership, log_id, position};
use super::endpoint::Endpoint;
use super::heartbeat::HeartbeatTimer;
use super::link::Links;
use super::log::LogAdapter;
use super::runtime::seeded;
use super::state_machine::{Rows, StateMachineAdapter};
use super::{Effects, LibraryRaft, Place, Types};
use crate::consensus::message::Sender;
use crate::consensus::peer_client::PeerClient;
use crate::consensus::types::{Members, Position, ReplicaId};
use crate::consensus::{
    ChangeError, Consensus, ConsensusSettings, Leadership, LocalPeers, MemberChange, Network, PROMOTION_LAG_MAX,
    ProposeError, ReplicaComponents, RowsDigest, SettledMembers,
};
use crate::log::ReplicaLog;

/// How long a checkpoint waits for the library to take note of it.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(60);

/// A member that answered within so many leases is heard: as long as a leader without a quorum falls silent.
const HEARD_LEASES: u32 = 3;

/// How long a member may take to say what it read of its rows.
const DIGEST_WAIT: Duration = Duration::from_secs(5);

/// One replica's part in its range's consensus.
pub(in crate::consensus) struct Group {
    raft: LibraryRaft,
    log: ReplicaLog,
    replica: ReplicaId,
    machine: StateMachineAdapter,
    endpoint: Endpoint,
    local_peers: LocalPeers,
    drive: DriveId,
    network: Option<Network>,
    settings: ConsensusSettings,
    suspension: Suspension,
    /// The last term in which this replica transferred its leadership; no leader has term 0.
    transferred_in: AtomicU64,
    env: Env,
    /// Runs as long as the group lives, if it keeps its own time.
    _timer: Option<HeartbeatTimer>,
}

impl Group {
    /// Starts a replica from its log and store. With `quiet`, it votes for nobody, itself included,
    /// until a lease that it may have promised before a restart has run out.
    pub(in crate::consensus) async fn start(
        components: ReplicaComponents,
        settings: ConsensusSettings,
        quiet: bool,
    ) -> Result<Self, ProposeError> {
        let ReplicaComponents { replica, drive, log, state_machine, local_peers, network, reversions, env } =
            components;
        let config = Arc::new(library_config(&settings)?);
        let quiet = quiet && !mutant!(VoteAfterRestart);
        let machine = StateMachineAdapter::new(state_machine).await.map_err(unknown)?;
        let from = Sender { replica, drive };
        let known = BTreeMap::new();
        let (peers, to_others) = (local_peers.clone(), network.clone());
        let links = Links { from, local_peers: peers, network: to_others, reversions, env: env.clone(), known };
        let seed = u64::from_be_bytes(env.random_bytes());
        let raft = seeded(seed, async {
            let (log, machine) = (LogAdapter(log.clone()), machine.clone());
            let raft = Raft::build(replica.0, config, links, log, machine).await.map_err(unknown)?;
            raft.runtime_config().elect(!quiet);
            raft.run();
            Ok(raft)
        })
        .await?;
        let quiet_for = if quiet { settings.election_max } else { Duration::ZERO };
        let endpoint = Endpoint::new(raft.clone(), machine.clone(), replica, Instant::now() + quiet_for);
        if quiet {
            let waiting = endpoint.clone();
            tokio::spawn(async move {
                tokio::time::sleep(quiet_for).await;
                waiting.settle_elections();
            });
        }
        local_peers.connect(replica, Arc::new(endpoint.clone()));
        let timer = settings.own_time.then(|| {
            HeartbeatTimer::begin(raft.clone(), endpoint.leader_contact().clone(), env.clock.clone(), &settings)
        });
        let suspension = Suspension::new(&env);
        let transferred_in = AtomicU64::new(0);
        Ok(Self {
            raft,
            log,
            replica,
            machine,
            endpoint,
            local_peers,
            drive,
            network,
            settings,
            suspension,
            transferred_in,
            env,
            _timer: timer,
        })
    }

    /// Whether a member answered this leader just now. On a lone node, which beats for ranges in use only, every
    /// replica that runs would answer.
    fn is_heard(&self, metrics: &RaftMetrics<Types>, member: ReplicaId) -> bool {
        if member == self.replica {
            return true;
        }
        if !self.settings.own_time {
            return self.local_peers.find(member).is_some();
        }
        let answered = metrics.heartbeat.as_ref().and_then(|heard| heard.get(&member.0)?.as_ref());
        answered.is_some_and(|at| at.elapsed() < self.settings.election_max.saturating_mul(HEARD_LEASES))
    }

    /// Whether a member lacks so little of this leader's log that it may have a vote. What it lacks must be in the log:
    /// a member that needs a snapshot has rows that are not whole.
    fn has_caught_up(&self, metrics: &RaftMetrics<Types>, member: ReplicaId) -> bool {
        let matched = metrics.replication.as_ref().and_then(|matched| matched.get(&member.0)?.as_ref());
        let bounds = self.log.bounds();
        let last = bounds.last.map_or(0, |last| last.index);
        let is_close = matched.is_some_and(|matched| {
            let from_log = bounds.purged.is_none_or(|purged| matched.index() >= purged.index);
            from_log && last.saturating_sub(matched.index()) <= PROMOTION_LAG_MAX
        });
        member == self.replica || is_close || mutant!(PromoteUnready)
    }
}

fn library_config(settings: &ConsensusSettings) -> Result<Config, ProposeError> {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let config = Config {
        cluster_name: "range".to_owned(),
        heartbeat_interval: millis(settings.heartbeat),
        election_timeout_min: millis(settings.election_min),
        election_timeout_max: millis(settings.election_max),
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: settings.lag_entries,
        install_snapshot_timeout: millis(Duration::from_secs(3600)),
        api_channel_size: Some(4096),
        notification_channel_size: Some(4096),
        enable_tick: settings.own_time,
        quorum_loss_probe_interval: settings.own_time.then(|| millis(settings.election_max.saturating_mul(3))),
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    config.validate().map_err(unknown)
}

fn unknown(error: impl fmt::Display) -> ProposeError {
    ProposeError::Unknown(error.to_string())
}

fn from_write_error(error: RaftError<Types, ClientWriteError<Types>>) -> ProposeError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
            ProposeError::NotLeader(forward.leader_id.map(ReplicaId))
        }
        error => unknown(error),
    }
}

/// Notices that the machine slept: the library's clock does not count suspension, a lease must.
struct Suspension {
    began: Instant,
    began_steady: Duration,
    /// How far the steady clock was ahead when last looked at, and when it last leapt.
    seen: Mutex<(Duration, Option<Instant>)>,
}

impl Suspension {
    fn new(env: &Env) -> Self {
        Self { began: Instant::now(), began_steady: env.clock.steady(), seen: Mutex::new((Duration::ZERO, None)) }
    }

    /// The last time the machine is known to have woken up.
    fn woke(&self, env: &Env) -> Option<Instant> {
        let now = Instant::now();
        let steady = env.clock.steady().saturating_sub(self.began_steady);
        let ahead = steady.saturating_sub(now.duration_since(self.began));
        let mut seen = self.seen.lock();
        if ahead > seen.0 + Duration::from_millis(50) {
            *seen = (ahead, Some(now));
        }
        seen.1
    }
}

#[async_trait]
impl Consensus for Group {
    fn leadership(&self) -> Option<Leadership> {
        // One that restarts still holds its own committed vote, and the library takes that for leadership.
        if self.raft.metrics().borrow_watched().state != ServerState::Leader {
            return None;
        }
        let leader = self.raft.as_leader().ok()?;
        let alone = self.raft.voter_ids().take(2).count() == 1;
        let woke = self.suspension.woke(&self.env);
        let is_fresh =
            |age: Duration| age < self.settings.leader_lease() && woke.is_none_or(|woke| age < woke.elapsed());
        // Heartbeats touch no disk: a leader whose drive hangs would keep its lease for ever.
        let gives_up = self.endpoint.is_slow() && !mutant!(KeepLeaseOnHungDrive);
        let lease = alone || (!gives_up && leader.last_quorum_acked().is_some_and(|acked| is_fresh(acked.elapsed())));
        // Looked at last: what was true before this replica ceased to lead, nobody could contradict yet.
        let leads = leader.term() > self.transferred_in.load(Ordering::SeqCst);
        leads.then(|| Leadership { term: leader.term(), lease })
    }

    fn leader(&self) -> Option<ReplicaId> {
        self.raft.metrics().borrow_watched().current_leader.map(ReplicaId)
    }

    async fn initialize(&self, places: &BTreeMap<ReplicaId, DriveId>) -> Result<(), ProposeError> {
        let members: BTreeMap<u64, Place> = places.iter().map(|(id, drive)| (id.0, Place(*drive))).collect();
        match self.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(unknown(error)),
        }
    }

    async fn propose(&self, term: u64, effects: Bytes) -> Result<(), ProposeError> {
        let (responder, answer): (WriteResponderOf<Types>, _) = ProgressResponder::complete_only();
        let leader = openraft::vote::leader_id_std::CommittedLeaderId::new(term);
        let request = self.raft.write(Effects(effects)).responder(responder).with_leader(leader);
        request.await.map_err(unknown)?;
        match answer.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(from_write_error(RaftError::APIError(error))),
            Err(_) => Err(unknown("the replica stopped")),
        }
    }

    async fn barrier(&self) -> Result<(), ProposeError> {
        match self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(_)) => Err(ProposeError::NotLeader(self.leader())),
            Err(error) => Err(unknown(error)),
        }
    }

    async fn checkpoint(&self, all: bool) -> Result<(), ProposeError> {
        if self.machine.rows() != Rows::Sound {
            return Err(unknown("the rows are being replaced"));
        }
        let Some(position) = self.machine.machine().applied().position else { return Ok(()) };
        self.raft.trigger().snapshot().await.map_err(unknown)?;
        let flushed = move |metrics: &openraft::RaftMetrics<Types>| {
            metrics.snapshot.as_ref().is_some_and(|id| id.index() >= position.index)
        };
        let wait = self.raft.wait(Some(CHECKPOINT_WAIT));
        let metrics = wait.metrics(flushed, "the store is flushed").await.map_err(unknown)?;
        if let Some(snapshot) = metrics.snapshot.filter(|_| all) {
            self.raft.trigger().purge_log(snapshot.index()).await.map_err(unknown)?;
        }
        Ok(())
    }

    fn may_be_elected(&self) -> bool {
        // After a transfer the library goes on as the leader until it hears of another one, and takes no order to elect.
        self.endpoint.may_stand() && self.raft.metrics().borrow_watched().state != ServerState::Leader
    }

    async fn elect(&self) {
        if !self.may_be_elected() {
            return;
        }
        // A replica that has stopped cannot be elected; `stopped` says so to callers.
        drop(self.raft.trigger().elect(true).await);
    }

    async fn transfer_leadership(&self, to: &BTreeSet<ReplicaId>, lag_max: u64) {
        let Some(leadership) = self.leadership() else { return };
        let successor = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let voters: BTreeSet<u64> = metrics.membership_config.membership().voter_ids().collect();
            let progress = metrics.replication.iter().flatten();
            let last = self.log.bounds().last.map_or(0, |last| last.index);
            let lags = |matched: u64| last.saturating_sub(matched) > lag_max;
            let others = progress.filter(|(id, _)| voters.contains(id) && to.contains(&ReplicaId(**id)));
            let others = others.filter(|(_, matched)| !lags(matched.as_ref().map_or(0, |id| id.index())));
            others.max_by_key(|(_, matched)| **matched).map(|(id, _)| *id)
        };
        let Some(successor) = successor.filter(|successor| *successor != self.replica.0) else { return };
        self.transferred_in.fetch_max(leadership.term, Ordering::SeqCst);
        // A replica that has stopped leads no more either.
        drop(self.raft.trigger().transfer_leader(successor).await);
    }

    fn stop_campaigning(&self) {
        self.endpoint.stop_campaigning();
    }

    fn set_slow(&self, is_slow: bool) {
        self.endpoint.set_slow(is_slow);
    }

    async fn heartbeat(&self) {
        // As above.
        drop(self.raft.trigger().heartbeat().await);
    }

    fn last(&self) -> Option<Position> {
        self.log.bounds().last
    }

    async fn change_members(&self, set_at: Position, change: MemberChange) -> Result<(), ChangeError> {
        if let MemberChange::Exchange { joins: Some(joins), .. } = change {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            if !self.is_heard(&metrics, joins) || !self.has_caught_up(&metrics, joins) {
                return Err(ChangeError::Behind(joins));
            }
        }
        let one = |replica: ReplicaId| BTreeSet::from([replica.0]);
        let change = match change {
            // To what the change that was left half done was for.
            MemberChange::Finish => ChangeMembers::AddVoterIds(BTreeSet::new()),
            MemberChange::AddLearner(replica, drive) => {
                ChangeMembers::AddNodes(BTreeMap::from([(replica.0, Place(drive))]))
            }
            MemberChange::RemoveLearner(replica) => ChangeMembers::RemoveNodes(one(replica)),
            MemberChange::Exchange { joins, leaves } => {
                let (settled, members) = self.committed_members().ok_or(ChangeError::Changed)?;
                let [voters] = &members.voters[..] else { return Err(ChangeError::Changed) };
                if settled != set_at {
                    return Err(ChangeError::Changed);
                }
                let stays = voters.iter().filter(|voter| Some(**voter) != leaves);
                ChangeMembers::ReplaceAllVoters(stays.chain(&joins).map(|voter| voter.0).collect())
            }
        };
        let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: Some(log_id(set_at)) };
        match self.raft.change_membership_if(change, false, [unchanged]).await {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(ClientWriteError::PreconditionFailed(_))) => Err(ChangeError::Changed),
            Err(error) => Err(from_write_error(error).into()),
        }
    }

    fn settled_members(&self) -> Option<SettledMembers> {
        self.leadership()?;
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let committed = &metrics.committed_membership_config;
        if metrics.membership_config.log_id() != committed.log_id() {
            return None;
        }
        let set_at = position(committed.log_id().as_ref()?);
        let members = from_membership(committed.membership());
        let all = || members.places.keys().copied();
        let heard = all().filter(|member| self.is_heard(&metrics, *member)).collect();
        let caught_up = all().filter(|member| self.has_caught_up(&metrics, *member)).collect();
        Some(SettledMembers { set_at, members, heard, caught_up })
    }

    fn members(&self) -> Members {
        from_membership(self.raft.metrics().borrow_watched().membership_config.membership())
    }

    fn committed_members(&self) -> Option<(Position, Members)> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let committed = &metrics.committed_membership_config;
        Some((position(committed.log_id().as_ref()?), from_membership(committed.membership())))
    }

    fn is_whole(&self) -> bool {
        self.machine.rows().are_whole()
    }

    async fn digest_of(&self, member: ReplicaId, drive: DriveId, index: u64) -> Option<RowsDigest> {
        let from = Sender { replica: self.replica, drive: self.drive };
        let (local_peers, network, env) = (self.local_peers.clone(), self.network.clone(), self.env.clone());
        let peer = PeerClient { from, to: member, drive, local_peers, network, env };
        match peer.digest(index, DIGEST_WAIT).await {
            Ok(digest) => Some(digest),
            Err(error) => {
                tracing::debug!(%member, %error, "a member says nothing of its rows");
                None
            }
        }
    }

    fn stopped(&self) -> Option<String> {
        self.raft.metrics().borrow_watched().running_state.as_ref().err().map(ToString::to_string)
    }

    async fn shutdown(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(replica = self.replica.0, %error, "the replica did not stop cleanly");
        }
    }
}
