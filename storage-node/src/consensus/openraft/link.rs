//! The way from one replica to another: straight, if both live in this process, else over the network.
//!
//! Promises: every call ends in time; a peer that cannot be reached, or refuses, is told to the
//! library as such, so that it backs off; nothing of the library's goes over the network.
//! Must not know: how messages travel.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_protocol::transport::{CallError, Method};
use couronne_ring::DriveId;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{SnapshotOf, VoteOf};
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use tokio::time::Instant;

use super::convert::{
    from_append_request, from_transfer, from_vote, from_vote_request, position, to_append_response, to_vote,
    to_vote_response,
};
use super::endpoint::{Endpoint, unreachable};
use super::state_machine::SnapshotData;
use super::{Place, Types};
use crate::consensus::message::{Answer, Ask, Request, Sender, SnapshotBegin};
use crate::consensus::local_peers::Route;
use crate::consensus::types::{Position, ReplicaId};
use crate::consensus::{Machine, Network, Switchboard};

/// How long entries may take to be written by a follower. The library sends heartbeats apart, so a
/// slow disk delays neither them nor leases; what is sent again after this is written by then, or soon.
const ENTRIES_WAIT: Duration = Duration::from_secs(2);

/// A leader's successor is told so long after the others: these refuse their votes until they are told.
const HEAD_START: Duration = Duration::from_millis(10);

/// How long a message of a snapshot is waited for before it is sent again: a repeat does no harm.
const PIECE_WAIT: Duration = Duration::from_secs(10);

/// How long a piece of a snapshot is sent again and again: it waits for those before it to be written.
const PIECE_PATIENCE: Duration = Duration::from_secs(30);

/// The pause before a message is sent again whose answer was lost at once.
const PAUSE: Duration = Duration::from_millis(200);

/// Makes the ways from one replica to its peers.
pub(super) struct Links {
    pub(super) from: Sender,
    pub(super) switchboard: Switchboard,
    pub(super) network: Option<Network>,
    pub(super) env: Env,
}

impl RaftNetworkFactory<Types> for Links {
    type Network = Link;

    async fn new_client(&mut self, target: u64, place: &Place) -> Link {
        Link {
            from: self.from,
            to: ReplicaId(target),
            place: place.0,
            switchboard: self.switchboard.clone(),
            network: self.network.clone(),
            env: self.env.clone(),
        }
    }
}

/// The way from one replica to another.
pub(super) struct Link {
    from: Sender,
    to: ReplicaId,
    place: DriveId,
    switchboard: Switchboard,
    network: Option<Network>,
    env: Env,
}

impl Link {
    /// The peer, if it lives here; `None` if the way leads over the network.
    fn local(&self) -> Result<Option<Endpoint>, Unreachable<Types>> {
        match self.switchboard.route(self.from.replica, self.to) {
            Route::Here(endpoint) => Ok(Some(endpoint)),
            Route::Elsewhere if self.network.is_some() => Ok(None),
            Route::Elsewhere | Route::Cut => Err(unreachable(format!("{} is not reachable", self.to))),
        }
    }

    fn remote(&self) -> Result<&Network, Unreachable<Types>> {
        self.network.as_ref().ok_or_else(|| unreachable("there is no network"))
    }

    /// Sends a request over the network and waits for its answer.
    async fn ask(&self, method: Method, ask: Ask, wait: Duration) -> Result<Answer, RPCError<Types>> {
        let network = self.remote()?;
        let node = network.directory.node_of(self.place);
        let node = node.ok_or_else(|| unreachable(format!("nobody has the drive of {}", self.to)))?;
        let request = Request { from: self.from, to: self.to, ask };
        let call = network.transport.call(node, method, request.encode());
        let message = match tokio::time::timeout(wait, call).await {
            Ok(Ok(message)) => message,
            Ok(Err(error @ CallError::Lost(_))) => return Err(failed(error)),
            Ok(Err(error @ (CallError::Unreachable(_) | CallError::Rejected(_)))) => {
                return Err(unreachable(error).into());
            }
            Err(_) => return Err(self.timed_out(method, wait)),
        };
        match Answer::decode(message).map_err(failed)? {
            Answer::Refused(refusal) => Err(unreachable(format!("{}: {refusal}", self.to)).into()),
            answer => Ok(answer),
        }
    }

    fn timed_out(&self, method: Method, timeout: Duration) -> RPCError<Types> {
        let action = match method {
            Method::Vote | Method::PreVote => RPCTypes::Vote,
            Method::Snapshot => RPCTypes::InstallSnapshot,
            _ => RPCTypes::AppendEntries,
        };
        RPCError::Timeout(Timeout { action, id: self.from.replica.0, target: self.to.0, timeout })
    }

    async fn ask_vote(
        &self,
        method: Method,
        request: &VoteRequest<Types>,
        wait: Duration,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.ask(method, Ask::Vote(from_vote_request(request)), wait).await? {
            Answer::Vote(answer) => Ok(to_vote_response(answer)),
            _ => Err(failed("an answer to something else")),
        }
    }

    /// Sends a machine's rows: announced, piece by piece, and counted in the end, so that what came is
    /// never taken for the whole.
    async fn send_rows(
        &self,
        vote: VoteOf<Types>,
        least: Position,
        machine: Arc<dyn Machine>,
        wait: Duration,
    ) -> Result<SnapshotResponse<Types>, RPCError<Types>> {
        let session = u64::from_be_bytes(self.env.random_bytes());
        let begin = SnapshotBegin { session, vote: from_vote(&vote), applied: least };
        if let Some(response) = self.step(Ask::Begin(begin), PIECE_PATIENCE).await? {
            return Ok(response);
        }
        let mut pieces = machine.read_all();
        let mut sequence = 0u64;
        while let Some(rows) = pieces.recv().await {
            let rows = rows.map_err(failed)?;
            if let Some(response) = self.step(Ask::Piece { session, sequence, rows }, PIECE_PATIENCE).await? {
                return Ok(response);
            }
            sequence = sequence.saturating_add(1);
        }
        let end = self.step(Ask::End { session, pieces: sequence }, wait).await?;
        end.ok_or_else(|| failed("the end of a snapshot was not answered"))
    }

    /// One message of a snapshot, sent again while it may have been lost; `Some` if it settles the matter.
    async fn step(&self, ask: Ask, patience: Duration) -> Result<Option<SnapshotResponse<Types>>, RPCError<Types>> {
        let until = Instant::now() + patience;
        loop {
            match self.ask(Method::Snapshot, ask.clone(), PIECE_WAIT).await {
                Ok(Answer::GoOn) => return Ok(None),
                Ok(Answer::Follows(vote)) => return Ok(Some(SnapshotResponse::new(to_vote(vote)))),
                Ok(_) => return Err(failed("an answer to something else")),
                Err(RPCError::Timeout(_) | RPCError::Network(_)) if Instant::now() < until => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The peer may have done what it was asked: the library tries again at once.
fn failed(error: impl fmt::Display) -> RPCError<Types> {
    RPCError::Network(NetworkError::from_string(error.to_string()))
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        if let Some(endpoint) = self.local()? {
            return Ok(endpoint.library_append(request).await?);
        }
        // The library's own limit is for what it sends to keep its lease; entries are not bound by it.
        let wait = if request.entries.is_empty() { option.soft_ttl() } else { ENTRIES_WAIT.max(option.soft_ttl()) };
        match self.ask(Method::Append, Ask::Append(from_append_request(request)), wait).await? {
            Answer::Append(answer) => Ok(to_append_response(answer)),
            _ => Err(failed("an answer to something else")),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.local()? {
            Some(endpoint) => Ok(endpoint.library_vote(request).await?),
            None => self.ask_vote(Method::Vote, &request, option.soft_ttl()).await,
        }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.local()? {
            Some(endpoint) => Ok(endpoint.library_pre_vote(request).await?),
            None => self.ask_vote(Method::PreVote, &request, option.soft_ttl()).await,
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        if *request.to_node_id() == self.to.0 {
            tokio::time::sleep(HEAD_START).await;
        }
        if let Some(endpoint) = self.local()? {
            return Ok(Ok(endpoint.library_hand_over(&request).await?));
        }
        match self.ask(Method::HandOver, Ask::HandOver(from_transfer(&request)), option.soft_ttl()).await? {
            Answer::GoOn => Ok(Ok(())),
            _ => Err(failed("an answer to something else")),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<Types>,
        snapshot: SnapshotOf<Types, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let local = self.local()?;
        let least = snapshot.meta.last_log_id.as_ref().map(position);
        let sending = async {
            match (local, least, snapshot.snapshot.clone()) {
                (Some(endpoint), ..) => Ok(endpoint.library_install(vote, snapshot).await?),
                (None, Some(least), SnapshotData::Local(source)) => {
                    self.send_rows(vote, least, Arc::clone(source.machine()), option.soft_ttl()).await
                }
                (None, ..) => Err(failed("there is nothing to send")),
            }
        };
        // In this order: whether a snapshot was cancelled must not depend on chance.
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sending => Ok(sent?),
        }
    }
}
