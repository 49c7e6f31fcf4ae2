//! A replica as its peers reach it, whichever library runs it.
//!
//! Promises: a replica that may have promised a lease before it restarted grants no vote; what contradicts what
//! the replica knows is refused.
//! Must not know: how messages travel, rows.

use async_trait::async_trait;
use thiserror::Error;

use super::message::{
    Answer, AppendAnswer, AppendAsk, Refusal, SnapshotBegin, TransferLeadership, VoteAnswer, VoteAsk,
};
use super::types::{Position, Vote};
use super::{RowsDigest, SnapshotPieces};

/// Whether a vote is given, or only foretold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VoteRound {
    /// The candidate asks whether it would get the vote.
    Pre,
    /// The candidate asks for the vote.
    Real,
}

/// A snapshot was not put in place.
#[derive(Debug, Error)]
#[error("installing a snapshot: {0}")]
pub(super) struct InstallError(pub(super) String);

/// A replica of this process, as its peers address it.
#[async_trait]
pub(super) trait Peer: Send + Sync + 'static {
    /// Answers a candidate.
    async fn vote(&self, ask: VoteAsk, round: VoteRound) -> Result<VoteAnswer, Refusal>;

    /// Takes a leader's entries.
    async fn append(&self, ask: AppendAsk) -> Result<AppendAnswer, Refusal>;

    /// Takes a leader's last message. The replica no longer keeps that leader's lease; the successor waits until it
    /// has all that the leader wrote, and stands for election at once.
    async fn transfer_leadership(&self, transfer: TransferLeadership) -> Result<(), Refusal>;

    /// What the replica read of the piece of its rows that an entry names.
    fn digest(&self, index: u64) -> Result<RowsDigest, Refusal>;

    /// Looks at the snapshot that a leader announces; `Some` if that settles the matter and no rows are wanted.
    async fn consider(&self, begin: SnapshotBegin) -> Option<Answer>;

    /// Replaces the replica's rows by those that a leader sends, up to `least` or further. The answer is the vote
    /// that the replica then follows.
    async fn install(&self, vote: Vote, least: Position, pieces: SnapshotPieces) -> Result<Vote, InstallError>;
}
