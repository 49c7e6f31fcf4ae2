//! The way from one replica to another, as the library asks for it.
//!
//! Promises: a peer that cannot be reached, or refuses, is told to the library as such, so that it backs off;
//! nothing of the library's goes to a peer. A follower that lacks what it had acknowledged to this leader is noted, and
//! sent nothing any more: the library, which holds that for impossible, would go on for ever.
//! Must not know: how messages travel, where peers live.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_base::mutant;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{SnapshotOf, VoteOf};
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use parking_lot::Mutex;

use super::convert::{
    from_append_request, from_transfer, from_vote, from_vote_request, position, to_append_response, to_vote,
    to_vote_response,
};
use super::state_machine::SnapshotSource;
use super::{Place, Types};
use crate::consensus::message::{AppendAnswer, Sender};
use crate::consensus::peer::VoteRound;
use crate::consensus::peer_client::{PeerClient, SendError};
use crate::consensus::types::{Position, ReplicaId, Vote};
use crate::consensus::{LocalPeers, Network, Reversions};

/// How long entries may take to be written by a follower. The library sends heartbeats apart, so a
/// slow disk delays neither them nor leases; what is sent again after this is written by then, or soon.
const ENTRIES_WAIT: Duration = Duration::from_secs(2);

/// Makes the ways from one replica to its peers.
pub(super) struct Links {
    pub(super) from: Sender,
    pub(super) local_peers: LocalPeers,
    pub(super) network: Option<Network>,
    pub(super) reversions: Reversions,
    pub(super) env: Env,
    /// What is known of the peers' logs, by replica.
    pub(super) known: BTreeMap<ReplicaId, Arc<Mutex<KnownLog>>>,
}

impl RaftNetworkFactory<Types> for Links {
    type Network = Link;

    async fn new_client(&mut self, target: u64, place: &Place) -> Link {
        let peer = PeerClient {
            from: self.from,
            to: ReplicaId(target),
            drive: place.0,
            local_peers: self.local_peers.clone(),
            network: self.network.clone(),
            env: self.env.clone(),
        };
        let known = Arc::clone(self.known.entry(peer.to).or_default());
        Link { peer, known, reversions: self.reversions.clone() }
    }
}

/// What is known of a peer's log. The library sends heartbeats on a link of their own: they know what entries taught.
#[derive(Default)]
pub(super) struct KnownLog {
    /// The vote under which the peer last acknowledged entries, and the last of these.
    acknowledged: Option<(Vote, Position)>,
    /// Whether the peer lacks what it had acknowledged.
    is_reverted: bool,
}

/// The way from one replica to another.
pub(super) struct Link {
    peer: PeerClient,
    known: Arc<Mutex<KnownLog>>,
    reversions: Reversions,
}

impl Link {
    /// What an error means to the library.
    fn failed(&self, action: RPCTypes, error: SendError) -> RPCError<Types> {
        match error {
            SendError::Unreachable(_) => RPCError::Unreachable(Unreachable::from_string(error.to_string())),
            SendError::Lost(_) => lost(error),
            SendError::TimedOut(timeout) => {
                RPCError::Timeout(Timeout { action, id: self.peer.from.replica.0, target: self.peer.to.0, timeout })
            }
        }
    }

    async fn ask_vote(
        &self,
        request: &VoteRequest<Types>,
        round: VoteRound,
        wait: Duration,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let answer = self.peer.vote(from_vote_request(request), round, wait).await;
        answer.map(to_vote_response).map_err(|error| self.failed(RPCTypes::Vote, error))
    }
}

impl Link {
    /// Compares an answer with what the peer had acknowledged. Only entries count: what the peer says of those that it
    /// had before may not be durable yet. Under one vote a follower's log never goes back.
    fn heed(
        &self,
        vote: Vote,
        previous: Option<Position>,
        last: Option<Position>,
        answer: &AppendAnswer,
    ) -> Result<(), SendError> {
        let mut known = self.known.lock();
        match (answer, last) {
            (AppendAnswer::All, Some(last)) => known.acknowledged = Some((vote, last)),
            (AppendAnswer::Conflict, _) => {
                let had = known.acknowledged.filter(|(under, _)| *under == vote).map(|(_, last)| last);
                if had.is_some_and(|had| previous.is_none_or(|previous| previous <= had)) && !mutant!(IgnoreReversion) {
                    tracing::error!(replica = %self.peer.to, ?had, ?previous, "replica lacks what it had acknowledged");
                    known.is_reverted = true;
                    self.reversions.note(self.peer.to);
                    return Err(self.reverted());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn reverted(&self) -> SendError {
        SendError::Unreachable(format!("{} lacks what it had acknowledged", self.peer.to))
    }
}

/// The peer may have done what it was asked: the library tries again at once.
fn lost(error: impl fmt::Display) -> RPCError<Types> {
    RPCError::Network(NetworkError::from_string(error.to_string()))
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = SnapshotSource;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        // The library's own limit is for what it sends to keep its lease; entries are not bound by it.
        let wait = if request.entries.is_empty() { option.soft_ttl() } else { ENTRIES_WAIT.max(option.soft_ttl()) };
        if self.known.lock().is_reverted {
            return Err(self.failed(RPCTypes::AppendEntries, self.reverted()));
        }
        let ask = from_append_request(request);
        let (vote, previous, last) = (ask.vote, ask.previous, ask.entries.last().map(|entry| entry.position));
        let answer = self.peer.append(ask, wait).await.map_err(|error| self.failed(RPCTypes::AppendEntries, error))?;
        self.heed(vote, previous, last, &answer).map_err(|error| self.failed(RPCTypes::AppendEntries, error))?;
        Ok(to_append_response(answer))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.ask_vote(&request, VoteRound::Real, option.soft_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.ask_vote(&request, VoteRound::Pre, option.soft_ttl()).await
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let taken = self.peer.transfer_leadership(from_transfer(&request), option.soft_ttl()).await;
        taken.map(Ok).map_err(|error| self.failed(RPCTypes::AppendEntries, error))
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<Types>,
        snapshot: SnapshotOf<Types, SnapshotSource>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let Some(least) = snapshot.meta.last_log_id.as_ref().map(position) else {
            return Err(lost("there is nothing to send").into());
        };
        let sending =
            self.peer.send_snapshot(from_vote(&vote), least, Arc::clone(&snapshot.snapshot.0), option.soft_ttl());
        // In this order: whether a snapshot was cancelled must not be random.
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sending => match sent {
                Ok(follows) => Ok(SnapshotResponse::new(to_vote(follows))),
                Err(error) => Err(self.failed(RPCTypes::InstallSnapshot, error).into()),
            },
        }
    }
}
