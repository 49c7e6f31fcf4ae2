//! The library's types to ours, and back.
//!
//! Promises: what comes from our own log or a checked message converts without loss; members that no
//! group can have are refused.
//! Must not know: files, messages.

use std::collections::BTreeMap;
use std::io;

use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse};
use openraft::type_config::alias::{EntryOf, LogIdOf, SnapshotMetaOf, StoredMembershipOf, VoteOf};
use openraft::{EntryPayload, LogId, Membership, StoredMembership};

use super::super::message::{AppendAnswer, AppendAsk, TransferLeadership, VoteAnswer, VoteAsk};
use super::super::types::{Entry, Members, Payload, Position, ReplicaId, Vote};
use super::super::{Applied, StateMachineError};
use super::{Effects, Place, Types};
use crate::log::LogError;

pub(super) fn position(id: &LogIdOf<Types>) -> Position {
    Position { term: **id.committed_leader_id(), index: id.index() }
}

pub(super) fn log_id(position: Position) -> LogIdOf<Types> {
    LogId::new_term_index(position.term, position.index)
}

pub(super) fn to_vote(vote: Vote) -> VoteOf<Types> {
    let mut library = VoteOf::<Types>::new(vote.term, vote.candidate.0);
    library.committed = vote.committed;
    library
}

pub(super) fn from_vote(vote: &VoteOf<Types>) -> Vote {
    let leader = vote.leader_id();
    Vote { term: leader.term, candidate: ReplicaId(leader.voted_for), committed: vote.is_committed() }
}

fn to_membership(members: &Members) -> Result<Membership<u64, Place>, io::Error> {
    let sets = members.voters.iter().map(|set| set.iter().map(|id| id.0).collect()).collect();
    let places: BTreeMap<u64, Place> = members.places.iter().map(|(id, drive)| (id.0, Place(*drive))).collect();
    Membership::new(sets, places).map_err(io::Error::other)
}

pub(super) fn from_membership(membership: &Membership<u64, Place>) -> Members {
    let sets = membership.get_joint_config().iter();
    let voters = sets.map(|set| set.iter().map(|id| ReplicaId(*id)).collect()).collect();
    let places = membership.nodes().map(|(id, place)| (ReplicaId(*id), place.0)).collect();
    Members { voters, places }
}

pub(super) fn to_stored(members: Option<&(Position, Members)>) -> Result<StoredMembershipOf<Types>, io::Error> {
    let Some((set_at, members)) = members else { return Ok(StoredMembership::default()) };
    Ok(StoredMembership::new(Some(log_id(*set_at)), to_membership(members)?))
}

pub(super) fn to_meta(applied: &Applied) -> Result<SnapshotMetaOf<Types>, io::Error> {
    let last_membership = to_stored(applied.members.as_ref())?;
    Ok(SnapshotMetaOf::<Types> { last_log_id: applied.position.map(log_id), last_membership })
}

pub(super) fn to_entry(entry: Entry) -> Result<EntryOf<Types>, io::Error> {
    let payload = match entry.payload {
        Payload::Blank => EntryPayload::Blank,
        Payload::Members(members) => EntryPayload::Membership(to_membership(&members)?),
        Payload::Effects(bytes) => EntryPayload::Normal(Effects(bytes)),
    };
    Ok(EntryOf::<Types> { log_id: log_id(entry.position), payload })
}

pub(super) fn from_entry(entry: EntryOf<Types>) -> Entry {
    let payload = match entry.payload {
        EntryPayload::Blank => Payload::Blank,
        EntryPayload::Membership(membership) => Payload::Members(from_membership(&membership)),
        EntryPayload::Normal(Effects(bytes)) => Payload::Effects(bytes),
    };
    Entry { position: position(&entry.log_id), payload }
}

/// The library's mark of an election that the old leader ordered is left out: that leader itself
/// says which follower may be elected, and a vote that overrides a lease would make leases worthless.
pub(super) fn to_vote_request(ask: VoteAsk) -> VoteRequest<Types> {
    VoteRequest::new(to_vote(ask.vote), ask.last.map(log_id))
}

pub(super) fn from_vote_request(request: &VoteRequest<Types>) -> VoteAsk {
    VoteAsk { vote: from_vote(&request.vote), last: request.last_log_id.as_ref().map(position) }
}

pub(super) fn to_transfer(transfer: TransferLeadership) -> TransferLeaderRequest<Types> {
    TransferLeaderRequest::new(to_vote(transfer.vote), transfer.successor.0, transfer.last.map(log_id))
}

pub(super) fn from_transfer(request: &TransferLeaderRequest<Types>) -> TransferLeadership {
    TransferLeadership {
        vote: from_vote(request.from_leader()),
        successor: ReplicaId(*request.to_node_id()),
        last: request.last_log_id().map(position),
    }
}

pub(super) fn to_vote_response(answer: VoteAnswer) -> VoteResponse<Types> {
    VoteResponse::new(to_vote(answer.vote), answer.last.map(log_id), answer.granted)
}

pub(super) fn from_vote_response(response: &VoteResponse<Types>) -> VoteAnswer {
    VoteAnswer {
        vote: from_vote(&response.vote),
        last: response.last_log_id.as_ref().map(position),
        granted: response.vote_granted,
    }
}

pub(super) fn to_append_request(ask: AppendAsk) -> Result<AppendEntriesRequest<Types>, io::Error> {
    Ok(AppendEntriesRequest {
        vote: to_vote(ask.vote),
        prev_log_id: ask.previous.map(log_id),
        entries: ask.entries.into_iter().map(to_entry).collect::<Result<_, _>>()?,
        leader_commit: ask.committed.map(log_id),
    })
}

pub(super) fn from_append_request(request: AppendEntriesRequest<Types>) -> AppendAsk {
    AppendAsk {
        vote: from_vote(&request.vote),
        previous: request.prev_log_id.as_ref().map(position),
        entries: request.entries.into_iter().map(from_entry).collect(),
        committed: request.leader_commit.as_ref().map(position),
    }
}

pub(super) fn to_append_response(answer: AppendAnswer) -> AppendEntriesResponse<Types> {
    match answer {
        AppendAnswer::All => AppendEntriesResponse::Success,
        AppendAnswer::UpTo(last) => AppendEntriesResponse::PartialSuccess(last.map(log_id)),
        AppendAnswer::Conflict => AppendEntriesResponse::Conflict,
        AppendAnswer::HigherVote(vote) => AppendEntriesResponse::HigherVote(to_vote(vote)),
    }
}

pub(super) fn from_append_response(response: &AppendEntriesResponse<Types>) -> AppendAnswer {
    match response {
        AppendEntriesResponse::Success => AppendAnswer::All,
        AppendEntriesResponse::PartialSuccess(last) => AppendAnswer::UpTo(last.as_ref().map(position)),
        AppendEntriesResponse::Conflict => AppendAnswer::Conflict,
        AppendEntriesResponse::HigherVote(vote) => AppendAnswer::HigherVote(from_vote(vote)),
    }
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> Self {
        Self::other(error)
    }
}

impl From<StateMachineError> for io::Error {
    fn from(error: StateMachineError) -> Self {
        Self::other(error)
    }
}
