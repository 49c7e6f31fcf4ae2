//! A replica as its peers reach it, by the library.
//!
//! Promises: a replica that may have promised a lease before it restarted grants no vote; hostile
//! requests are refused before they reach the library, which takes contradictions for the end.
//! Must not know: how requests travel, rows.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use openraft::type_config::alias::SnapshotOf;
use tokio::time::Instant;

use super::convert::{
    from_append_response, from_vote, from_vote_response, position, to_append_request, to_meta, to_transfer, to_vote,
    to_vote_request,
};
use super::heartbeat::LeaderContact;
use super::state_machine::{SnapshotSource, StateMachineAdapter};
use super::{LibraryRaft, Types};
use crate::consensus::message::{
    Answer, AppendAnswer, AppendAsk, Refusal, SnapshotBegin, TransferLeadership, VoteAnswer, VoteAsk,
};
use crate::consensus::peer::{InstallError, Peer, VoteRound};
use crate::consensus::types::{Position, ReplicaId, Vote};
use crate::consensus::{Applied, RowsDigest, SnapshotPieces};

/// How long a snapshot may be pending with nobody sending it. A new leader whose log still has what the
/// replica lacks sends entries, never a snapshot, and the replica takes none: then it ends, to
/// begin anew under another id.
const SNAPSHOT_PENDING_MAX: Duration = Duration::from_secs(120);

/// A replica, and what it takes from its peers.
#[derive(Clone)]
pub(super) struct Endpoint {
    raft: LibraryRaft,
    machine: StateMachineAdapter,
    replica: ReplicaId,
    /// Before this time the replica grants no vote: it may have promised a lease before it restarted.
    votes_from: Instant,
    /// Set once the replica is to lead no more: it is about to stop.
    stopped_campaigning: Arc<AtomicBool>,
    /// Whether calls to its drive do not come back in time.
    is_slow: Arc<AtomicBool>,
    /// When its leader's entries or heartbeats were taken.
    leader_contact: LeaderContact,
    /// One snapshot at a time; how many were begun.
    replacing: Arc<tokio::sync::Mutex<u64>>,
}

impl Endpoint {
    pub(super) fn new(
        raft: LibraryRaft,
        machine: StateMachineAdapter,
        replica: ReplicaId,
        votes_from: Instant,
    ) -> Self {
        let (stopped_campaigning, is_slow, replacing) = (Arc::default(), Arc::default(), Arc::default());
        let leader_contact = LeaderContact::default();
        Self { raft, machine, replica, votes_from, stopped_campaigning, is_slow, leader_contact, replacing }
    }

    /// When the replica last took something of its leader.
    pub(super) const fn leader_contact(&self) -> &LeaderContact {
        &self.leader_contact
    }

    /// Whether the replica may take part in elections.
    pub(super) fn may_vote(&self) -> bool {
        Instant::now() >= self.votes_from
    }

    /// Whether the replica may stand for election: not with rows that it could not serve, nor if it is
    /// about to stop, nor on a slow drive.
    pub(super) fn may_stand(&self) -> bool {
        let is_held_back = self.stopped_campaigning.load(Ordering::Relaxed) || self.is_slow();
        self.may_vote() && self.machine.rows().are_whole() && !is_held_back
    }

    /// Whether the replica's drive is slow.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Has the replica stand for no election while its drive is slow.
    pub(super) fn set_slow(&self, is_slow: bool) {
        self.is_slow.store(is_slow, Ordering::Relaxed);
        self.settle_elections();
    }

    /// Has the replica stand for no election any more.
    pub(super) fn stop_campaigning(&self) {
        self.stopped_campaigning.store(true, Ordering::Relaxed);
        self.settle_elections();
    }

    /// Lets the library stand for election, or not, as things are now.
    pub(super) fn settle_elections(&self) {
        self.raft.runtime_config().elect(self.may_stand());
    }

    /// Hands entries to the library. While a snapshot is pending the replica takes none, but still says where its
    /// log departs from the leader's: so a leader learns that it has to send all rows.
    async fn take_entries(
        &self,
        mut request: AppendEntriesRequest<Types>,
    ) -> Result<AppendEntriesResponse<Types>, Refusal> {
        let refuses = !request.entries.is_empty() && !self.machine.rows().are_whole();
        if refuses {
            request.entries.clear();
        }
        let response = self.raft.append_entries(request).await.map_err(|_| Refusal::Stopped)?;
        if !matches!(response, AppendEntriesResponse::HigherVote(_)) {
            self.leader_contact.now();
        }
        match response {
            AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_) if refuses => {
                Err(Refusal::SnapshotPending)
            }
            response => Ok(response),
        }
    }

    async fn tell(&self, vote: Vote, least: Position, applied: &Applied) -> Result<Vote, InstallError> {
        if applied.position.is_none_or(|position| position < least || position.term > vote.term) {
            return Err(InstallError("the rows are not those that were announced".to_owned()));
        }
        let failed = |error: &dyn fmt::Display| InstallError(error.to_string());
        let meta = to_meta(applied).map_err(|error| failed(&error))?;
        let snapshot = SnapshotOf::<Types, SnapshotSource> { meta, snapshot: self.machine.source() };
        let response = self.raft.install_full_snapshot(to_vote(vote), snapshot).await;
        response.map(|response| from_vote(&response.vote)).map_err(|error| failed(&error))
    }

    /// Ends the replica if nobody sends its rows again.
    fn end_unless_tried_again(&self, tries: u64) {
        let endpoint = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SNAPSHOT_PENDING_MAX).await;
            let turn = endpoint.replacing.lock().await;
            if *turn == tries && endpoint.machine.give_up() {
                tracing::error!(replica = endpoint.replica.0, "no snapshot was received whole: the replica stops");
                drop(endpoint.raft.shutdown().await);
            }
        });
    }
}

#[async_trait]
impl Peer for Endpoint {
    async fn vote(&self, ask: VoteAsk, round: VoteRound) -> Result<VoteAnswer, Refusal> {
        if !self.may_vote() {
            return Err(Refusal::Quiet);
        }
        let request = to_vote_request(ask);
        let answered = match round {
            VoteRound::Real => self.raft.vote(request).await,
            VoteRound::Pre => self.raft.pre_vote(request).await,
        };
        answered.map(|response| from_vote_response(&response)).map_err(|_| Refusal::Stopped)
    }

    async fn transfer_leadership(&self, transfer: TransferLeadership) -> Result<(), Refusal> {
        if transfer.successor == self.replica && !self.may_stand() {
            return Err(Refusal::Quiet);
        }
        let taken = self.raft.handle_transfer_leader(to_transfer(transfer)).await.map_err(|_| Refusal::Stopped)?;
        taken.map_err(|_| Refusal::Failed)
    }

    async fn append(&self, ask: AppendAsk) -> Result<AppendAnswer, Refusal> {
        let request = to_append_request(ask).map_err(|_| Refusal::Contradiction)?;
        self.take_entries(request).await.map(|response| from_append_response(&response))
    }

    fn digest(&self, index: u64) -> Result<RowsDigest, Refusal> {
        if !self.machine.rows().are_whole() {
            return Err(Refusal::SnapshotPending);
        }
        Ok(self.machine.machine().digest(index))
    }

    async fn consider(&self, begin: SnapshotBegin) -> Option<Answer> {
        let (known, has) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            (from_vote(&metrics.vote), metrics.last_applied.as_ref().map(position))
        };
        if (begin.vote.term, begin.vote.candidate) < (known.term, known.candidate) {
            return Some(Answer::Follows(known));
        }
        let has = has.filter(|has| begin.applied.index <= has.index)?;
        if begin.applied > has {
            return Some(Answer::Refused(Refusal::Contradiction));
        }
        if !self.machine.rows().are_whole() {
            return Some(Answer::Refused(Refusal::SnapshotPending));
        }
        // The leader does not know how far the replica is, perhaps because an answer was lost; if it
        // has purged all entries it can find out in no other way. The answer also counts for its lease,
        // so it is the library's: it takes the vote, and finds that there is nothing to install.
        let has = Applied { position: Some(begin.applied), members: None };
        Some(self.tell(begin.vote, begin.applied, &has).await.map_or(Answer::Refused(Refusal::Failed), Answer::Follows))
    }

    async fn install(&self, vote: Vote, least: Position, pieces: SnapshotPieces) -> Result<Vote, InstallError> {
        let mut turn = self.replacing.lock().await;
        *turn = turn.saturating_add(1);
        self.raft.runtime_config().elect(false);
        let replaced = self.machine.replace(pieces).await;
        self.settle_elections();
        let applied = match replaced {
            Ok(applied) => applied,
            Err(error) => {
                self.end_unless_tried_again(*turn);
                return Err(InstallError(error.to_string()));
            }
        };
        self.tell(vote, least, &applied).await
    }
}
