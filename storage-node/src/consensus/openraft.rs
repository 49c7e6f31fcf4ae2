//! Consensus by openraft: the one file that imports it.
//!
//! Our log, machine and transport are fitted to its traits here, and its types to ours; none of them
//! goes further. Store without WAL: the library's "snapshot" is the flushed store, so it purges no
//! entry that the flushed store lacks, and the rows themselves are read only when a follower needs them.
//! Must not know: rows, commands, files.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_protocol::env::Env;
use couronne_ring::DriveId;
use futures_util::{Stream, TryStreamExt};
use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{
    ClientWriteError, InitializeError, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable,
};
use openraft::impls::{ProgressResponder, leader_id_std};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::storage::{EntryResponder, IOFlushed, RaftLogStorage, RaftStateMachine};
use openraft::type_config::alias::{
    EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf, WriteResponderOf,
};
use openraft::{
    Config, EntryPayload, LogId, LogState, Membership, OptionalSend, Raft, RaftLogReader, RaftNetworkFactory,
    RaftNetworkV2, RaftSnapshotBuilder, ReadPolicy, SnapshotPolicy, StoredMembership,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::types::{Entry, Members, Payload, Position, ReplicaId, Vote};
use super::{Applied, Consensus, ConsensusSettings, Leadership, Machine, MachineError, ProposeError, Switchboard};
use crate::log::{LogError, ReplicaLog};

/// Entries that a checkpoint leaves in the log for followers a little behind.
const LAG_ENTRIES: u64 = 256;

/// The most bytes of entries sent to a follower in one message.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// How long a checkpoint waits for the library to take note of it.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(60);

/// Effects as the library carries them: it prints its commands, and rows are nobody's log lines.
#[derive(Clone)]
struct Effects(Bytes);

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of effects", self.0.len())
    }
}

impl fmt::Display for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The answer to a proposal: it was applied.
#[derive(Clone, Copy, Debug)]
struct Done;

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("done")
    }
}

/// Where a member lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(DriveId);

openraft::declare_raft_types!(
    Types:
        D = Effects,
        R = Done,
        NodeId = u64,
        Node = Place,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
);

type LibraryRaft = Raft<Types, MachineAdapter>;

fn position(id: &LogIdOf<Types>) -> Position {
    Position { term: **id.committed_leader_id(), index: id.index() }
}

fn log_id(position: Position) -> LogIdOf<Types> {
    LogId::new_term_index(position.term, position.index)
}

fn to_vote(vote: Vote) -> VoteOf<Types> {
    let mut library = VoteOf::<Types>::new(vote.term, vote.candidate.0);
    library.committed = vote.committed;
    library
}

fn from_vote(vote: &VoteOf<Types>) -> Vote {
    let leader = vote.leader_id();
    Vote { term: leader.term, candidate: ReplicaId(leader.voted_for), committed: vote.is_committed() }
}

fn to_membership(members: &Members) -> Result<Membership<u64, Place>, io::Error> {
    let sets = members.voters.iter().map(|set| set.iter().map(|id| id.0).collect()).collect();
    let places: BTreeMap<u64, Place> = members.places.iter().map(|(id, drive)| (id.0, Place(*drive))).collect();
    Membership::new(sets, places).map_err(io::Error::other)
}

fn from_membership(membership: &Membership<u64, Place>) -> Members {
    let sets = membership.get_joint_config().iter();
    let voters = sets.map(|set| set.iter().map(|id| ReplicaId(*id)).collect()).collect();
    let places = membership.nodes().map(|(id, place)| (ReplicaId(*id), place.0)).collect();
    Members { voters, places }
}

fn to_stored(members: Option<&(Position, Members)>) -> Result<StoredMembershipOf<Types>, io::Error> {
    let Some((set_at, members)) = members else { return Ok(StoredMembership::default()) };
    Ok(StoredMembership::new(Some(log_id(*set_at)), to_membership(members)?))
}

fn to_entry(entry: Entry) -> Result<EntryOf<Types>, io::Error> {
    let payload = match entry.payload {
        Payload::Blank => EntryPayload::Blank,
        Payload::Members(members) => EntryPayload::Membership(to_membership(&members)?),
        Payload::Effects(bytes) => EntryPayload::Normal(Effects(bytes)),
    };
    Ok(EntryOf::<Types> { log_id: log_id(entry.position), payload })
}

fn from_entry(entry: EntryOf<Types>) -> Entry {
    let payload = match entry.payload {
        EntryPayload::Blank => Payload::Blank,
        EntryPayload::Membership(membership) => Payload::Members(from_membership(&membership)),
        EntryPayload::Normal(Effects(bytes)) => Payload::Effects(bytes),
    };
    Entry { position: position(&entry.log_id), payload }
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> Self {
        Self::other(error)
    }
}

impl From<MachineError> for io::Error {
    fn from(error: MachineError) -> Self {
        Self::other(error)
    }
}

/// Our log in the library's form.
#[derive(Clone)]
struct LogAdapter(ReplicaLog);

impl RaftLogReader<Types> for LogAdapter {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<EntryOf<Types>>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + fmt::Debug + OptionalSend,
    {
        let (from, to) = bounds(&range);
        self.0.entries(from, to, usize::MAX).into_iter().map(to_entry).collect()
    }

    async fn read_vote(&mut self) -> Result<Option<VoteOf<Types>>, io::Error> {
        Ok(self.0.bounds().vote.map(to_vote))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<EntryOf<Types>>, io::Error> {
        self.0.entries(start, end, MESSAGE_BYTES_MAX).into_iter().map(to_entry).collect()
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(from) => from.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(to) => to.saturating_add(1),
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl RaftLogStorage<Types> for LogAdapter {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let bounds = self.0.bounds();
        Ok(LogState { last_purged_log_id: bounds.purged.map(log_id), last_log_id: bounds.last.map(log_id) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<Types>) -> Result<(), io::Error> {
        Ok(self.0.save_vote(from_vote(vote)).await?)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = EntryOf<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let done = move |result: Result<(), LogError>| callback.io_completed(result.map_err(io::Error::from));
        Ok(self.0.append(entries.into_iter().map(from_entry), Box::new(done))?)
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf<Types>>) -> Result<(), io::Error> {
        Ok(self.0.truncate_after(last.map(|id| id.index())).await?)
    }

    async fn purge(&mut self, upto: LogIdOf<Types>) -> Result<(), io::Error> {
        Ok(self.0.purge(position(&upto))?)
    }
}

/// Our machine in the library's form; also its "snapshot", whose rows are read only when wanted.
#[derive(Clone)]
struct MachineAdapter {
    machine: Arc<dyn Machine>,
    flushed: Arc<Mutex<Applied>>,
}

impl MachineAdapter {
    fn meta(applied: &Applied) -> Result<SnapshotMetaOf<Types>, io::Error> {
        let last_membership = to_stored(applied.members.as_ref())?;
        Ok(SnapshotMetaOf::<Types> { last_log_id: applied.position.map(log_id), last_membership })
    }

    fn snapshot(&self, applied: &Applied) -> Result<SnapshotOf<Types, Self>, io::Error> {
        Ok(SnapshotOf::<Types, Self> { meta: Self::meta(applied)?, snapshot: self.clone() })
    }
}

impl RaftSnapshotBuilder<Types> for MachineAdapter {
    type SnapshotData = Self;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, Self>, io::Error> {
        let applied = self.machine.flush().await?;
        *self.flushed.lock() = applied.clone();
        self.snapshot(&applied)
    }
}

impl RaftStateMachine<Types> for MachineAdapter {
    type SnapshotData = Self;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogIdOf<Types>>, StoredMembershipOf<Types>), io::Error> {
        let applied = self.machine.applied();
        Ok((applied.position.map(log_id), to_stored(applied.members.as_ref())?))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        let (mut applied, mut waiting) = (Vec::new(), Vec::new());
        while let Some((entry, responder)) = entries.try_next().await? {
            applied.push(from_entry(entry));
            waiting.extend(responder);
        }
        self.machine.apply(applied)?;
        waiting.into_iter().for_each(|responder| responder.send(Done));
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, _: &SnapshotMetaOf<Types>, source: Self) -> Result<(), io::Error> {
        let applied = self.machine.replace_all(source.machine.read_all()).await?;
        *self.flushed.lock() = applied;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, Self>>, io::Error> {
        let flushed = self.flushed.lock().clone();
        if flushed.position.is_none() { Ok(None) } else { self.snapshot(&flushed).map(Some) }
    }
}

/// A replica as its peers reach it.
#[derive(Clone)]
pub(super) struct Endpoint {
    raft: LibraryRaft,
    /// Before this time the replica grants no vote: it may have promised a lease before it restarted.
    votes_from: Instant,
}

/// The way from one replica to another.
struct Link {
    from: ReplicaId,
    to: ReplicaId,
    switchboard: Switchboard,
}

impl Link {
    fn endpoint(&self) -> Result<Endpoint, Unreachable<Types>> {
        let route = self.switchboard.route(self.from, self.to);
        route.ok_or_else(|| Unreachable::from_string(format!("{} is not reachable", self.to)))
    }

    fn voter(&self) -> Result<Endpoint, Unreachable<Types>> {
        let endpoint = self.endpoint()?;
        if Instant::now() < endpoint.votes_from {
            return Err(Unreachable::from_string(format!("{} has just started", self.to)));
        }
        Ok(endpoint)
    }
}

fn unreachable(error: impl fmt::Display) -> Unreachable<Types> {
    Unreachable::from_string(error.to_string())
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = MachineAdapter;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: openraft::network::RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Ok(self.endpoint()?.raft.append_entries(request).await.map_err(unreachable)?)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        _: openraft::network::RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Ok(self.voter()?.raft.vote(request).await.map_err(unreachable)?)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        _: openraft::network::RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Ok(self.voter()?.raft.pre_vote(request).await.map_err(unreachable)?)
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<Types>,
        snapshot: SnapshotOf<Types, MachineAdapter>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: openraft::network::RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let raft = self.endpoint()?.raft;
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            installed = raft.install_full_snapshot(vote, snapshot) => Ok(installed.map_err(unreachable)?),
        }
    }
}

struct Links {
    from: ReplicaId,
    switchboard: Switchboard,
}

impl RaftNetworkFactory<Types> for Links {
    type Network = Link;

    async fn new_client(&mut self, target: u64, _: &Place) -> Link {
        Link { from: self.from, to: ReplicaId(target), switchboard: self.switchboard.clone() }
    }
}

/// What a replica's consensus is made of.
pub struct GroupComponents {
    /// The replica.
    pub replica: ReplicaId,
    /// Its part of its drive's log.
    pub log: ReplicaLog,
    /// Its rows.
    pub machine: Arc<dyn Machine>,
    /// The way to its peers.
    pub switchboard: Switchboard,
    /// Time.
    pub env: Env,
}

/// One replica's part in its range's consensus.
pub struct Group {
    raft: LibraryRaft,
    log: ReplicaLog,
    replica: ReplicaId,
    machine: Arc<dyn Machine>,
    settings: ConsensusSettings,
    suspension: Suspension,
    env: Env,
}

impl Group {
    /// Starts a replica from its log and store. With `quiet`, it votes for nobody, itself included,
    /// until a lease that it may have promised before a restart has run out.
    pub async fn start(
        components: GroupComponents,
        settings: ConsensusSettings,
        quiet: bool,
    ) -> Result<Self, ProposeError> {
        let GroupComponents { replica, log, machine, switchboard, env } = components;
        let config = Arc::new(library_config(&settings)?);
        let flushed = Arc::new(Mutex::new(machine.applied()));
        let adapter = MachineAdapter { machine: Arc::clone(&machine), flushed };
        let links = Links { from: replica, switchboard: switchboard.clone() };
        let raft = Raft::build(replica.0, config, links, LogAdapter(log.clone()), adapter).await.map_err(unknown)?;
        let quiet_for = if quiet { settings.election_max } else { Duration::ZERO };
        if quiet {
            raft.runtime_config().elect(false);
            let waiting = raft.clone();
            tokio::spawn(async move {
                tokio::time::sleep(quiet_for).await;
                waiting.runtime_config().elect(true);
            });
        }
        raft.run();
        switchboard.connect(replica, Endpoint { raft: raft.clone(), votes_from: Instant::now() + quiet_for });
        let suspension = Suspension::new(&env);
        Ok(Self { raft, log, replica, machine, settings, suspension, env })
    }

    /// Makes the first members of a range that never had any. Every replica given the same members
    /// writes the same first entry, so a repeat after a crash is harmless.
    pub async fn initialize(&self, places: &BTreeMap<ReplicaId, DriveId>) -> Result<(), ProposeError> {
        let members: BTreeMap<u64, Place> = places.iter().map(|(id, drive)| (id.0, Place(*drive))).collect();
        match self.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(unknown(error)),
        }
    }

    /// Whether the replica ever had members.
    pub async fn is_initialized(&self) -> Result<bool, ProposeError> {
        self.raft.is_initialized().await.map_err(unknown)
    }

    async fn change(&self, members: Vec<(ReplicaId, DriveId)>) -> Result<(), ProposeError> {
        let known = Consensus::members(self).places;
        for (replica, drive) in members.iter().filter(|(replica, _)| !known.contains_key(replica)) {
            self.raft.add_learner(replica.0, Place(*drive), true).await.map_err(from_write_error)?;
        }
        let voters: std::collections::BTreeSet<u64> = members.iter().map(|(replica, _)| replica.0).collect();
        self.raft.change_membership(voters, false).await.map_err(from_write_error)?;
        Ok(())
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
        max_in_snapshot_log_to_keep: LAG_ENTRIES,
        replication_lag_threshold: u64::MAX,
        install_snapshot_timeout: millis(Duration::from_secs(3600)),
        api_channel_size: Some(4096),
        notification_channel_size: Some(4096),
        enable_tick: settings.own_time,
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
        let leader = self.raft.as_leader().ok()?;
        let alone = self.raft.voter_ids().take(2).count() == 1;
        let woke = self.suspension.woke(&self.env);
        let lease = alone
            || leader.last_quorum_acked().is_some_and(|acked| {
                let age = acked.elapsed();
                age < self.settings.leader_lease() && woke.is_none_or(|woke| age < woke.elapsed())
            });
        Some(Leadership { term: leader.term(), lease })
    }

    fn leader(&self) -> Option<ReplicaId> {
        self.raft.metrics().borrow_watched().current_leader.map(ReplicaId)
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
        let Some(position) = self.machine.applied().position else { return Ok(()) };
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

    async fn elect(&self) {
        // A replica that has stopped cannot be elected; `stopped` says so to who asks.
        drop(self.raft.trigger().elect(true).await);
    }

    async fn heartbeat(&self) {
        // As above.
        drop(self.raft.trigger().heartbeat().await);
    }

    fn last(&self) -> Option<Position> {
        self.log.bounds().last
    }

    async fn change_members(&self, members: Vec<(ReplicaId, DriveId)>) -> Result<(), ProposeError> {
        self.change(members).await
    }

    fn members(&self) -> Members {
        from_membership(self.raft.metrics().borrow_watched().membership_config.membership())
    }

    fn stopped(&self) -> Option<String> {
        self.raft.metrics().borrow_watched().running_state.as_ref().err().map(ToString::to_string)
    }

    async fn shutdown(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(replica = self.replica.0, %error, "replica did not stop cleanly");
        }
    }
}
