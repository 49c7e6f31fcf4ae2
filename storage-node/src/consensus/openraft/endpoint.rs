//! A replica as its peers reach it, from this process or over the network.
//!
//! Promises: a replica that may have promised a lease before it restarted grants no vote; hostile
//! requests are refused before they reach the library, which takes contradictions for the end.
//! Must not know: how requests travel, rows.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use couronne_ring::DriveId;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::Unreachable;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{SnapshotOf, VoteOf};
use tokio::time::Instant;

use super::convert::{
    from_append_response, from_transfer, from_vote, from_vote_response, position, to_append_request, to_meta,
    to_transfer, to_vote, to_vote_request,
};
use super::state_machine::{MachineAdapter, SnapshotData};
use super::heartbeat::Heard;
use super::{LibraryRaft, Types};
use crate::consensus::message::{
    Answer, AppendAnswer, AppendAsk, HandOver, Refusal, SnapshotBegin, VoteAnswer, VoteAsk,
};
use crate::consensus::types::{Position, ReplicaId, Vote};
use crate::consensus::{Applied, SnapshotPieces};

/// How long rows may stay hollow with nobody sending any. A new leader whose log still has what the
/// replica lacks sends entries, never a snapshot, and hollow rows take none: then the replica ends, to
/// begin anew under another id.
const HOLLOW_WAIT: Duration = Duration::from_secs(120);

/// A replica, and what it takes from its peers.
#[derive(Clone)]
pub(in crate::consensus) struct Endpoint {
    raft: LibraryRaft,
    machine: MachineAdapter,
    replica: ReplicaId,
    /// Before this time the replica grants no vote: it may have promised a lease before it restarted.
    votes_from: Instant,
    /// Set once the replica is to lead no more: it is about to stop.
    retired: Arc<AtomicBool>,
    /// When its leader's entries or heartbeats were taken.
    heard: Heard,
    /// One snapshot at a time; how many were begun.
    replacing: Arc<tokio::sync::Mutex<u64>>,
}

pub(super) fn unreachable(error: impl fmt::Display) -> Unreachable<Types> {
    Unreachable::from_string(error.to_string())
}

impl Endpoint {
    pub(super) fn new(raft: LibraryRaft, machine: MachineAdapter, replica: ReplicaId, votes_from: Instant) -> Self {
        let (retired, heard, replacing) = (Arc::default(), Heard::default(), Arc::default());
        Self { raft, machine, replica, votes_from, retired, heard, replacing }
    }

    /// When the replica last took something of its leader.
    pub(super) const fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Whether the replica may take part in elections.
    pub(super) fn may_vote(&self) -> bool {
        Instant::now() >= self.votes_from
    }

    /// Whether the replica may stand for election: not with rows that it could not serve, nor if it is
    /// about to stop.
    pub(super) fn may_stand(&self) -> bool {
        self.may_vote() && self.machine.rows().are_whole() && !self.retired.load(Ordering::Relaxed)
    }

    /// Has the replica stand for no election any more.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.settle_elections();
    }

    /// Lets the library stand for election, or not, as things are now.
    pub(super) fn settle_elections(&self) {
        self.raft.runtime_config().elect(self.may_stand());
    }

    /// Where this replica knows another one to live.
    pub(in crate::consensus) fn place_of(&self, replica: ReplicaId) -> Option<DriveId> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().get_node(&replica.0).map(|place| place.0)
    }

    pub(super) async fn library_vote(
        &self,
        request: VoteRequest<Types>,
    ) -> Result<VoteResponse<Types>, Unreachable<Types>> {
        if !self.may_vote() {
            return Err(unreachable(format!("{} has just started", self.replica)));
        }
        self.raft.vote(request).await.map_err(unreachable)
    }

    pub(super) async fn library_pre_vote(
        &self,
        request: VoteRequest<Types>,
    ) -> Result<VoteResponse<Types>, Unreachable<Types>> {
        if !self.may_vote() {
            return Err(unreachable(format!("{} has just started", self.replica)));
        }
        self.raft.pre_vote(request).await.map_err(unreachable)
    }

    pub(super) async fn library_hand_over(
        &self,
        request: &TransferLeaderRequest<Types>,
    ) -> Result<(), Unreachable<Types>> {
        self.hand_over(from_transfer(request)).await.map_err(unreachable)
    }

    pub(super) async fn library_append(
        &self,
        request: AppendEntriesRequest<Types>,
    ) -> Result<AppendEntriesResponse<Types>, Unreachable<Types>> {
        self.take_entries(request).await.map_err(unreachable)
    }

    /// Hands entries to the library. With hollow rows the replica takes none, but still says where its
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
            self.heard.now();
        }
        match response {
            AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_) if refuses => {
                Err(Refusal::Hollow)
            }
            response => Ok(response),
        }
    }

    pub(super) async fn library_install(
        &self,
        vote: VoteOf<Types>,
        snapshot: SnapshotOf<Types, SnapshotData>,
    ) -> Result<SnapshotResponse<Types>, Unreachable<Types>> {
        self.raft.install_full_snapshot(vote, snapshot).await.map_err(unreachable)
    }

    /// Answers a candidate; with `really` the vote is given, else only foretold.
    pub(in crate::consensus) async fn vote(&self, ask: VoteAsk, really: bool) -> Result<VoteAnswer, Refusal> {
        if !self.may_vote() {
            return Err(Refusal::Quiet);
        }
        let request = to_vote_request(ask);
        let answered = if really { self.raft.vote(request).await } else { self.raft.pre_vote(request).await };
        answered.map(|response| from_vote_response(&response)).map_err(|_| Refusal::Stopped)
    }

    /// Takes a leader's last word. What faith was owed to it is owed no more; its successor waits until
    /// it has all that the leader wrote, and stands for election at once.
    pub(in crate::consensus) async fn hand_over(&self, hand: HandOver) -> Result<(), Refusal> {
        if hand.successor == self.replica && !self.may_stand() {
            return Err(Refusal::Quiet);
        }
        let taken = self.raft.handle_transfer_leader(to_transfer(hand)).await.map_err(|_| Refusal::Stopped)?;
        taken.map_err(|_| Refusal::Failed)
    }

    /// Takes a leader's entries.
    pub(in crate::consensus) async fn append(&self, ask: AppendAsk) -> Result<AppendAnswer, Refusal> {
        let request = to_append_request(ask).map_err(|_| Refusal::Contradiction)?;
        self.take_entries(request).await.map(|response| from_append_response(&response))
    }

    /// Looks at what a leader announces; `Some` if that settles the matter and no rows are wanted.
    pub(in crate::consensus) async fn consider(&self, begin: SnapshotBegin) -> Option<Answer> {
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
            return Some(Answer::Refused(Refusal::Hollow));
        }
        // The leader does not know how far the replica is, perhaps because an answer was lost; if it
        // has purged all entries it can find out in no other way. The answer also counts for its lease,
        // so it is the library's: it takes the vote, and finds that there is nothing to install.
        let has = Applied { position: Some(begin.applied), members: None };
        Some(self.tell(begin.vote, begin.applied, &has).await.map_or(Answer::Refused(Refusal::Failed), Answer::Follows))
    }

    /// Replaces the replica's rows by those that a leader sends, then tells the library. The answer is
    /// the vote that the replica then follows.
    pub(in crate::consensus) async fn install(
        &self,
        vote: Vote,
        least: Position,
        pieces: SnapshotPieces,
    ) -> Result<Vote, String> {
        let mut turn = self.replacing.lock().await;
        *turn = turn.saturating_add(1);
        self.raft.runtime_config().elect(false);
        let replaced = self.machine.replace(pieces).await;
        self.settle_elections();
        let applied = match replaced {
            Ok(applied) => applied,
            Err(error) => {
                self.end_unless_tried_again(*turn);
                return Err(error.to_string());
            }
        };
        self.tell(vote, least, &applied).await
    }

    async fn tell(&self, vote: Vote, least: Position, applied: &Applied) -> Result<Vote, String> {
        if applied.position.is_none_or(|position| position < least || position.term > vote.term) {
            return Err("the rows are not those that were announced".to_owned());
        }
        let meta = to_meta(applied).map_err(|error| error.to_string())?;
        let snapshot = SnapshotOf::<Types, SnapshotData> { meta, snapshot: SnapshotData::Received };
        let response = self.raft.install_full_snapshot(to_vote(vote), snapshot).await;
        response.map(|response| from_vote(&response.vote)).map_err(|error| error.to_string())
    }

    /// Ends the replica if nobody sends its rows again.
    fn end_unless_tried_again(&self, tries: u64) {
        let endpoint = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(HOLLOW_WAIT).await;
            let turn = endpoint.replacing.lock().await;
            if *turn == tries && endpoint.machine.give_up() {
                tracing::error!(replica = endpoint.replica.0, "no snapshot came whole: the replica ends");
                drop(endpoint.raft.shutdown().await);
            }
        });
    }
}
