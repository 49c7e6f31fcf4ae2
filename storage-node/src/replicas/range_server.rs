//! A replica serving its range: a command from evaluation to answer, a query from applied rows.
//!
//! Promises: only a leader that has applied everything from before its leadership evaluates; what it
//! answers was applied under latches; reads are linearizable, by the leader's lease or, in doubt, by a
//! read barrier. A leader whose clock is wrong takes no commands. A refused request changed nothing, and an
//! unknown outcome is called so.
//! Must not know: HTTP, S3, Swift, the consensus library.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_base::mutant;
use couronne_cluster::RangeDescriptor;
use couronne_cluster::map::MAP_RANGE;
use couronne_metadata::answer::{self, QueryRefusal};
use couronne_metadata::command::{CommandRequest, Outcome, Refusal};
use couronne_metadata::evaluate::{self, Evaluated, Now};
use couronne_metadata::ids::{BucketId, ObjectKey};
use couronne_metadata::query::Answer;
use couronne_metadata::store::{StoreError, View};
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeError};
use couronne_ring::DriveId;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::RangeStateMachine;
use super::latches::{LatchGuard, Latches};
use super::proposer::{Proposal, Proposer, fits};
use super::quotas::{Quotas, Reservation};
use crate::clock::ClockGuard;
use crate::cluster_time::ClusterTime;
use crate::consensus::types::ReplicaId;
use crate::consensus::{Consensus, Leadership, ProposeError};
use crate::log::DriveLog;

/// Commands under way at one range; more are refused as overload.
const COMMANDS_MAX: usize = 2048;

/// Queries under way at one range; more are refused as overload.
const QUERIES_MAX: usize = 2048;

/// How long a request waits for a new leader to become ready.
const READY_WAIT: Duration = Duration::from_secs(2);

/// How often a request looks whether the new leader is ready.
const READY_POLL: Duration = Duration::from_millis(5);

/// The longest a command waits for its answer, whatever its deadline says.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// By what a leader knows, before it answers a read, that no other replica leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadPolicy {
    /// By its lease. A hypervisor that pauses the machine hides that from every clock inside: what is read within a
    /// lease of the resume may be stale.
    #[default]
    Lease,
    /// By asking a quorum, for each read.
    Quorum,
}

/// What a serving replica is made of.
pub(crate) struct RangeComponents {
    /// What the range owns.
    pub(crate) descriptor: RangeDescriptor,
    /// This replica.
    pub(crate) replica: ReplicaId,
    /// The drive it lives on.
    pub(crate) drive: DriveId,
    /// Its consensus.
    pub(crate) consensus: Arc<dyn Consensus>,
    /// Its rows.
    pub(crate) state_machine: Arc<RangeStateMachine>,
    /// The log of its drive.
    pub(crate) log: Arc<DriveLog>,
    /// Time.
    pub(crate) env: Env,
    /// Whether the wall clock can be trusted.
    pub(crate) clock: Arc<ClockGuard>,
    /// By it locks are judged.
    pub(crate) time: Arc<ClusterTime>,
    /// What is tuned of evaluation.
    pub(crate) evaluation: evaluate::Settings,
    /// By what reads are answered.
    pub(crate) reads: ReadPolicy,
}

/// A replica that serves its range.
pub(crate) struct RangeServer {
    components: RangeComponents,
    latches: Arc<Latches>,
    quotas: Quotas,
    proposer: Proposer,
    commands: Semaphore,
    queries: Semaphore,
    used: AtomicBool,
}

impl RangeServer {
    /// Begins to serve.
    pub(crate) fn new(components: RangeComponents) -> Self {
        let proposer = Proposer::start(Arc::clone(&components.consensus));
        Self {
            components,
            latches: Arc::default(),
            quotas: Quotas::default(),
            proposer,
            commands: Semaphore::new(COMMANDS_MAX),
            queries: Semaphore::new(QUERIES_MAX),
            used: AtomicBool::new(true),
        }
    }

    /// What the range owns.
    pub(crate) const fn descriptor(&self) -> &RangeDescriptor {
        &self.components.descriptor
    }

    /// Whether the range is the one that keeps the cluster map.
    pub(crate) fn is_of_meta_group(&self) -> bool {
        self.components.descriptor.id == MAP_RANGE
    }

    /// This replica.
    pub(crate) const fn replica(&self) -> ReplicaId {
        self.components.replica
    }

    /// The drive it lives on.
    pub(crate) const fn drive(&self) -> DriveId {
        self.components.drive
    }

    /// Whether it was asked anything since this was last called.
    pub(crate) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// The replica's consensus.
    pub(crate) fn consensus(&self) -> &Arc<dyn Consensus> {
        &self.components.consensus
    }

    /// The replica's rows.
    pub(crate) const fn state_machine(&self) -> &Arc<RangeStateMachine> {
        &self.components.state_machine
    }

    /// Whether some of its rows were found to be rotten.
    pub(crate) fn is_rotten(&self) -> bool {
        self.components.state_machine.is_rotten()
    }

    /// The drive of the leader that this replica last heard of.
    pub(crate) fn leader_drive(&self) -> Option<DriveId> {
        let leader = self.components.consensus.leader()?;
        self.components.consensus.members().places.get(&leader).copied()
    }

    /// Whether this replica leads and has applied all from before.
    pub(crate) fn is_ready(&self) -> bool {
        let applied = self.components.state_machine.position();
        self.components
            .consensus
            .leadership()
            .is_some_and(|leadership| applied.is_some_and(|position| position.term == leadership.term))
    }

    /// Executes a command; answered once it is durable and applied here.
    pub(crate) async fn execute(&self, address: RangeAddress, request: CommandRequest) -> Result<Outcome, RangeError> {
        self.check(address, request.bucket, Some(&request.key))?;
        self.used.store(true, Ordering::Relaxed);
        let Ok(_permit) = self.commands.try_acquire() else { return Err(RangeError::Overloaded) };
        // The map's few changes do not wait: a start registers before anything is flushed.
        if self.components.log.is_crowded() && !self.is_of_meta_group() {
            return Err(RangeError::Overloaded);
        }
        let patience = self.patience(&request);
        let wanted = if mutant!(EvaluateUnlatched) { Vec::new() } else { request.latches() };
        let taken = tokio::time::timeout(patience, self.latches.take(wanted)).await;
        let Ok(latches) = taken else { return Err(unavailable("latches are held too long", false)) };
        let leadership = self.ready().await?;
        if let Some(off_ms) = self.components.clock.differs() {
            let reason = format!("the leader's clock is {off_ms} ms ahead of the others'");
            return Err(unavailable(&reason, false));
        }
        let (wall_us, cluster_ms) = (self.components.env.clock.wall_us(), self.components.time.now_ms());
        let now = Now { wall_us, cluster_ms };
        let (evaluated, reservation) = match self.evaluate(Arc::new(request), now).await {
            Ok(evaluated) => evaluated,
            Err(error) => return Err(self.unreadable(error).await),
        };
        match evaluated {
            Evaluated::Propose { effect, outcome, .. } => {
                // The lease of an idle leader has run out, and without one what it proposes is refused.
                self.confirm(leadership).await?;
                let proposed = self.propose(leadership, effect.encode(), (latches, reservation), patience).await;
                proposed.and(outcome.map_err(RangeError::from))
            }
            // What the rows say is only worth saying while this replica still leads.
            Evaluated::Settled(settled) => {
                self.confirm_read(leadership).await?;
                settled.map_err(RangeError::from)
            }
        }
    }

    /// Evaluates a command, under its latches, and has it fit into quotas.
    async fn evaluate(
        &self,
        request: Arc<CommandRequest>,
        now: Now,
    ) -> Result<(Evaluated, Option<Reservation>), StoreError> {
        let (machine, settings) = (&self.components.state_machine, self.components.evaluation.clone());
        let command = Arc::clone(&request);
        let read = move |view: &dyn View| evaluate::evaluate_with(view, &command, now, &settings);
        let evaluated = machine.read(read).await?;
        self.quotas.admit(machine, &request, evaluated).await
    }

    /// Answers a query from applied rows.
    pub(crate) async fn query(&self, address: RangeAddress, query: QueryRequest) -> Result<Answer, RangeError> {
        self.check(address, query.bucket, query.query.key())?;
        self.used.store(true, Ordering::Relaxed);
        let Ok(_permit) = self.queries.try_acquire() else { return Err(RangeError::Overloaded) };
        if !mutant!(ReadFromFollower) {
            let leadership = self.ready().await?;
            self.confirm_read(leadership).await?;
        }
        let now_us = self.components.env.clock.wall_us();
        let is_long = query.query.is_long();
        let read = move |view: &dyn View| {
            let QueryRequest { bucket, rules_version, query } = &query;
            match answer::answer(view, *bucket, *rules_version, query, now_us) {
                Err(QueryRefusal::Store(error)) => Err(error),
                answered => Ok(answered),
            }
        };
        let machine = &self.components.state_machine;
        let answered = if is_long { machine.read_many(read).await } else { machine.read(read).await };
        match answered {
            Ok(answered) => answered.map_err(refusal),
            Err(error) => Err(self.unreadable(error).await),
        }
    }

    async fn propose(
        &self,
        leadership: Leadership,
        effect: Bytes,
        (mut latches, reservation): (Vec<LatchGuard>, Option<Reservation>),
        patience: Duration,
    ) -> Result<(), RangeError> {
        if !fits(&effect) {
            return Err(unavailable("the command's effect is too large", false));
        }
        if mutant!(ReleaseLatchesEarly) {
            latches.clear();
        }
        let (answer, answered) = oneshot::channel();
        let proposal = Proposal { term: leadership.term, effect, latches, reservation, answer };
        if !self.proposer.submit(proposal) {
            return Err(RangeError::Overloaded);
        }
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(result)) => result.map_err(|error| self.range_error(error)),
            Ok(Err(_)) => Err(unavailable("the replica stopped", true)),
            Err(_) => Err(unavailable("no quorum answered in time", true)),
        }
    }

    /// Refuses what is meant for another range, or for this one as it was or will be.
    fn check(&self, address: RangeAddress, bucket: BucketId, key: Option<&ObjectKey>) -> Result<(), RangeError> {
        let own = &self.components.descriptor;
        let owns = key.is_none_or(|key| own.contains(&RangeDescriptor::position(bucket, key.as_bytes())));
        if address.range != own.id || address.generation != own.generation || !owns {
            return Err(RangeError::StaleRange(vec![own.clone()]));
        }
        Ok(())
    }

    fn patience(&self, request: &CommandRequest) -> Duration {
        let left = request.deadline_ms.saturating_sub(self.components.env.clock.wall_ms());
        Duration::from_millis(left).min(ANSWER_WAIT_MAX)
    }

    /// Waits until this replica, leading, has applied an entry of its own term: then it has applied
    /// all that any leader before it had acknowledged.
    async fn ready(&self) -> Result<Leadership, RangeError> {
        let began = Instant::now();
        loop {
            let Some(leadership) = self.components.consensus.leadership() else {
                return Err(self.not_leader());
            };
            let applied = self.components.state_machine.position();
            let caught_up = applied.is_some_and(|position| position.term == leadership.term);
            if caught_up || mutant!(EvaluateBeforeReady) {
                return Ok(leadership);
            }
            if began.elapsed() > READY_WAIT {
                return Err(unavailable("the new leader is not ready yet", false));
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// Makes sure that no other replica leads, for what is read of the rows: as [`ReadPolicy`] says.
    async fn confirm_read(&self, leadership: Leadership) -> Result<(), RangeError> {
        let lease = leadership.lease && self.components.reads == ReadPolicy::Lease;
        self.confirm(Leadership { lease, ..leadership }).await
    }

    /// Makes sure that this replica still leads: by its lease, or by asking a quorum.
    async fn confirm(&self, leadership: Leadership) -> Result<(), RangeError> {
        if leadership.lease || mutant!(ReadWithoutLease) {
            return Ok(());
        }
        let asked = tokio::time::timeout(READY_WAIT, self.components.consensus.barrier()).await;
        match asked {
            Ok(Ok(())) => Ok(()),
            Ok(Err(ProposeError::NotLeader(_))) => Err(self.not_leader()),
            Ok(Err(ProposeError::Unknown(reason))) => Err(unavailable(&reason, false)),
            Err(_) => Err(unavailable("no quorum confirms the leader", false)),
        }
    }

    /// What a read that failed means. Rotten rows another replica has: it is to lead, and is asked next.
    async fn unreadable(&self, error: StoreError) -> RangeError {
        let StoreError::Rotten(what) = error else { return store_error(error) };
        if self.components.consensus.members().places.len() < 2 {
            return RangeError::Corrupt(what);
        }
        self.give_way().await;
        RangeError::NotLeader(None)
    }

    /// Has another replica lead, whichever can. This one may be elected again: if all have some rotten rows, each still
    /// has what others lack.
    pub(crate) async fn give_way(&self) {
        let consensus = &self.components.consensus;
        let others = consensus.members().places.into_keys().filter(|other| *other != self.components.replica);
        consensus.transfer_leadership(&others.collect(), u64::MAX).await;
    }

    fn not_leader(&self) -> RangeError {
        RangeError::NotLeader(self.components.consensus.leader().and_then(|leader| self.drive_of(leader)))
    }

    fn drive_of(&self, replica: ReplicaId) -> Option<DriveId> {
        if replica == self.components.replica {
            // It believed to lead and does not: no hint is better than itself.
            return None;
        }
        self.components.consensus.members().places.get(&replica).copied()
    }

    fn range_error(&self, error: ProposeError) -> RangeError {
        match error {
            ProposeError::NotLeader(leader) => RangeError::NotLeader(leader.and_then(|leader| self.drive_of(leader))),
            ProposeError::Unknown(reason) => unavailable(&reason, true),
        }
    }
}

fn unavailable(reason: &str, maybe_done: bool) -> RangeError {
    RangeError::Unavailable { reason: reason.to_owned(), maybe_done }
}

fn store_error(error: StoreError) -> RangeError {
    match error {
        StoreError::Corrupt(what) | StoreError::Rotten(what) => RangeError::Corrupt(what),
        StoreError::OutOfFiles | StoreError::NotInMemory => RangeError::Overloaded,
        error @ (StoreError::Failed(_) | StoreError::Sealed(_) | StoreError::Full) => {
            unavailable(&error.to_string(), false)
        }
    }
}

fn refusal(refusal: QueryRefusal) -> RangeError {
    match refusal {
        QueryRefusal::Stale => RangeError::StaleRules,
        QueryRefusal::NoSuchBucket => RangeError::Refused(Refusal::NoSuchBucket),
        QueryRefusal::Store(error) => store_error(error),
    }
}
