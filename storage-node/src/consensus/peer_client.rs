//! The way from one replica to another, and the one door for messages that leave: straight, if both live in this
//! process, else over the network.
//!
//! Promises: every call over the network ends in time; a peer that cannot be reached, or refuses, is told apart
//! from one that may have done what it was asked.
//! Must not know: the consensus library, how messages travel.

use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_protocol::transport::{CallError, Method};
use couronne_ring::DriveId;
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};

use super::message::{
    Answer, AppendAnswer, AppendAsk, Ask, Request, Sender, SnapshotBegin, TransferLeadership, VoteAnswer, VoteAsk,
};
use super::peer::VoteRound;
use super::types::{Position, ReplicaId, Vote};
use super::{LocalPeers, Network, RowsDigest, StateMachine};

/// A leader's successor is told so long after the others: these refuse their votes until they are told.
const HEAD_START: Duration = Duration::from_millis(10);

/// How long a message of a snapshot is waited for before it is sent again: a repeat does no harm.
const PIECE_WAIT: Duration = Duration::from_secs(10);

/// How long a piece of a snapshot is sent again and again: it waits for those before it to be written.
const PIECE_PATIENCE: Duration = Duration::from_secs(30);

/// The pause before a message is sent again whose answer was lost at once.
const PAUSE: Duration = Duration::from_millis(200);

/// Why a message was not answered.
#[derive(Debug, Error)]
pub(super) enum SendError {
    /// The peer did nothing: it is not there, or refuses.
    #[error("{0}")]
    Unreachable(String),
    /// The peer may have done what it was asked: it can be asked again at once.
    #[error("{0}")]
    Lost(String),
    /// The peer may have done what it was asked, and did not answer for so long.
    #[error("no answer for {0:?}")]
    TimedOut(Duration),
}

/// The way from one replica to another.
pub(super) struct PeerClient {
    pub(super) from: Sender,
    pub(super) to: ReplicaId,
    /// The drive that the recipient lives on.
    pub(super) drive: DriveId,
    pub(super) local_peers: LocalPeers,
    pub(super) network: Option<Network>,
    pub(super) env: Env,
}

impl PeerClient {
    /// Asks for a vote.
    pub(super) async fn vote(&self, ask: VoteAsk, round: VoteRound, wait: Duration) -> Result<VoteAnswer, SendError> {
        let method = match round {
            VoteRound::Pre => Method::PreVote,
            VoteRound::Real => Method::Vote,
        };
        match self.ask(method, Ask::Vote(ask), wait).await? {
            Answer::Vote(answer) => Ok(answer),
            _ => Err(out_of_turn()),
        }
    }

    /// Sends entries.
    pub(super) async fn append(&self, ask: AppendAsk, wait: Duration) -> Result<AppendAnswer, SendError> {
        match self.ask(Method::Append, Ask::Append(ask), wait).await? {
            Answer::Append(answer) => Ok(answer),
            _ => Err(out_of_turn()),
        }
    }

    /// Says that the sender has ceased to lead, and names its successor.
    pub(super) async fn transfer_leadership(
        &self,
        transfer: TransferLeadership,
        wait: Duration,
    ) -> Result<(), SendError> {
        if transfer.successor == self.to {
            sleep(HEAD_START).await;
        }
        match self.ask(Method::TransferLeadership, Ask::TransferLeadership(transfer), wait).await? {
            Answer::GoOn => Ok(()),
            _ => Err(out_of_turn()),
        }
    }

    /// Asks what the peer read of the piece of its rows that an entry names.
    pub(super) async fn digest(&self, index: u64, wait: Duration) -> Result<RowsDigest, SendError> {
        match self.ask(Method::DigestRows, Ask::Digest { index }, wait).await? {
            Answer::Digest(digest) => Ok(digest),
            _ => Err(out_of_turn()),
        }
    }

    /// Sends the rows of a state machine, which hold `least` or more: announced, piece by piece, and counted in the
    /// end, so that what came is never taken for the whole. The recipient may take `wait` to put them in place; the
    /// answer is the vote that it follows.
    pub(super) async fn send_snapshot(
        &self,
        vote: Vote,
        least: Position,
        source: Arc<dyn StateMachine>,
        wait: Duration,
    ) -> Result<Vote, SendError> {
        let session = u64::from_be_bytes(self.env.random_bytes());
        let begin = SnapshotBegin { session, vote, applied: least };
        if let Some(follows) = self.step(Ask::Begin(begin), PIECE_PATIENCE).await? {
            return Ok(follows);
        }
        let mut pieces = source.read_all();
        let mut sequence = 0u64;
        while let Some(rows) = pieces.recv().await {
            let rows = rows.map_err(|error| SendError::Lost(error.to_string()))?;
            if let Some(follows) = self.step(Ask::Piece { session, sequence, rows }, PIECE_PATIENCE).await? {
                return Ok(follows);
            }
            sequence = sequence.saturating_add(1);
        }
        let end = self.step(Ask::End { session, pieces: sequence }, wait).await?;
        end.ok_or_else(|| SendError::Lost("the end of a snapshot was not answered".to_owned()))
    }

    /// One message of a snapshot, sent again while it may have been lost; `Some` if it settles the matter.
    async fn step(&self, ask: Ask, patience: Duration) -> Result<Option<Vote>, SendError> {
        let until = Instant::now() + patience;
        loop {
            match self.ask(Method::Snapshot, ask.clone(), PIECE_WAIT).await {
                Ok(Answer::GoOn) => return Ok(None),
                Ok(Answer::Follows(vote)) => return Ok(Some(vote)),
                Ok(_) => return Err(out_of_turn()),
                Err(SendError::TimedOut(_) | SendError::Lost(_)) if Instant::now() < until => {}
                Err(error) => return Err(error),
            }
            sleep(PAUSE).await;
        }
    }

    /// Has the recipient asked; an answer over the network is waited for so long.
    async fn ask(&self, method: Method, ask: Ask, wait: Duration) -> Result<Answer, SendError> {
        let answer = match (self.local_peers.find(self.to), &self.network) {
            (Some(peer), _) => {
                let answered = self.local_peers.answer(self.to, peer, method, ask).await;
                answered.map_err(|error| SendError::Unreachable(error.to_string()))?
            }
            (None, Some(network)) => self.send(network, method, ask, wait).await?,
            (None, None) => return Err(SendError::Unreachable(format!("{} is not reachable", self.to))),
        };
        match answer {
            Answer::Refused(refusal) => Err(SendError::Unreachable(format!("{}: {refusal}", self.to))),
            answer => Ok(answer),
        }
    }

    async fn send(&self, network: &Network, method: Method, ask: Ask, wait: Duration) -> Result<Answer, SendError> {
        let node = network.directory.node_of(self.drive);
        let node = node.ok_or_else(|| SendError::Unreachable(format!("nobody has the drive of {}", self.to)))?;
        let request = Request { from: self.from, to: self.to, ask };
        let call = network.transport.call(node, method, request.encode());
        let message = match timeout(wait, call).await {
            Ok(Ok(message)) => message,
            Ok(Err(error @ CallError::Lost(_))) => return Err(SendError::Lost(error.to_string())),
            Ok(Err(error @ (CallError::Unreachable(_) | CallError::Rejected(_)))) => {
                return Err(SendError::Unreachable(error.to_string()));
            }
            Err(_) => return Err(SendError::TimedOut(wait)),
        };
        Answer::decode(message).map_err(|error| SendError::Lost(error.to_string()))
    }
}

fn out_of_turn() -> SendError {
    SendError::Lost("an answer to something else".to_owned())
}
