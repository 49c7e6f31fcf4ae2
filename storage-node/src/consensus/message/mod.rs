//! What the replicas of a range say to each other over the network, in our own words.
//!
//! Promises: what does not decode, or says what no replica says, is refused before anyone acts on it;
//! the same message has one form; an encoded message of one version is read by every later one.
//! ```text
//! request: version u8 | kind u8 | sender's replica u64, drive u128 | recipient u64 | then by kind:
//!   1 vote    vote | last flag u8 [position]
//!   2 append  vote | previous flag u8 [position] | committed flag u8 [position] | count u32
//!             { position | payload kind u8: 0 blank, 1 members (length u32, members), 2 effects (length u32) }
//!             body: the effects, one after another
//!   3 begin   session u64 | vote | position
//!   4 piece   session u64 | sequence u64            body: count u32 { key, value: length u32, bytes }
//!   5 end     session u64 | pieces u64
//!   6 transfer vote | successor's replica u64 | last flag u8 [position]
//!   7 digest  index u64
//! answer: version u8 | kind u8 | then by kind:
//!   0 refused  reason u8
//!   1 vote     vote | last flag u8 [position] | granted u8
//!   2 append   0 all | 1 up to: flag u8 [position] | 2 conflict | 3 higher vote: vote
//!   3 go on
//!   4 follows  vote
//!   5 digest   0 pending | 1 unknown | 2 unreadable | 3 of: 32 bytes
//! vote: term u64 | candidate u64 | committed u8         position: term u64 | index u64
//! ```
//! Integers are big-endian; members stand as in the log. The layout is fixed, not of the field codec: every command is
//! sent in such messages, and they are answered before it is. A new need gets a new kind or version. The transport's
//! method says for what a vote is asked.
//! Must not know: how messages travel, the consensus library.

mod codec;
#[cfg(test)]
mod tests;

use couronne_protocol::transport::Message;
use couronne_ring::DriveId;
use thiserror::Error;

use super::types::{Entry, Position, ReplicaId, Vote};
use super::{RowsDigest, SnapshotPiece};
use crate::log::ENTRY_BYTES_MAX;
use couronne_base::fixed::Malformed;

/// The most bytes of effects in one append, unless one entry alone has more.
pub(super) const ENTRIES_BYTES_MAX: usize = 4 << 20;

/// The most entries in one append.
pub(super) const ENTRIES_MAX: usize = 4096;

/// The longest body of a piece of a snapshot in bytes: it is closed by a row that may be as long as an entry.
pub(super) const PIECE_BYTES_MAX: usize = ENTRY_BYTES_MAX + (2 << 20);

/// The replica that sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    /// The replica.
    pub(super) replica: ReplicaId,
    /// The drive on which it lives: the recipient looks up the node that has that drive.
    pub(super) drive: DriveId,
}

/// A request of one replica to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) from: Sender,
    pub(super) to: ReplicaId,
    pub(super) ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A vote, or whether it would be given.
    Vote(VoteAsk),
    /// To take entries, or only to know that the leader is there.
    Append(AppendAsk),
    /// To make ready for all rows.
    Begin(SnapshotBegin),
    /// To take some rows.
    Piece { session: u64, sequence: u64, rows: SnapshotPiece },
    /// To take what came for the whole.
    End { session: u64, pieces: u64 },
    /// To keep this leader's lease no longer, so that another replica can be elected.
    TransferLeadership(TransferLeadership),
    /// To say what was read of the piece of rows that an entry names.
    Digest { index: u64 },
}

/// A candidate's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VoteAsk {
    /// The vote it wants: for itself.
    pub(super) vote: Vote,
    /// The last position of its log.
    pub(super) last: Option<Position>,
}

/// A leader's entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AppendAsk {
    /// The vote it leads by.
    pub(super) vote: Vote,
    /// The position before the first entry.
    pub(super) previous: Option<Position>,
    /// The entries.
    pub(super) entries: Vec<Entry>,
    /// The last position known to be on a quorum.
    pub(super) committed: Option<Position>,
}

/// A leader's announcement of all rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SnapshotBegin {
    /// Drawn at random, never used again.
    pub(super) session: u64,
    /// The vote it leads by.
    pub(super) vote: Vote,
    /// What the rows hold at least. Exactly what, and the members, the rows say themselves.
    pub(super) applied: Position,
}

/// A leader's last message: it has ceased to lead, and names its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TransferLeadership {
    /// The vote it led by.
    pub(super) vote: Vote,
    /// The replica that is to stand for election at once.
    pub(super) successor: ReplicaId,
    /// What the successor must have in its log first.
    pub(super) last: Option<Position>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing was done.
    Refused(Refusal),
    /// To a candidate.
    Vote(VoteAnswer),
    /// To entries.
    Append(AppendAnswer),
    /// A step of a snapshot was done, or a leader's last message was taken.
    GoOn,
    /// The snapshot is in place if the vote is the leader's own; else its reign is over.
    Follows(Vote),
    /// What was read of a piece of rows.
    Digest(RowsDigest),
}

/// The answer to a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VoteAnswer {
    /// The vote of the replica that answers, after the question.
    pub(super) vote: Vote,
    /// The last position of its log.
    pub(super) last: Option<Position>,
    /// Whether the vote was given.
    pub(super) granted: bool,
}

/// The answer to entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AppendAnswer {
    /// All entries are durable.
    All,
    /// The entries up to a position are durable.
    UpTo(Option<Position>),
    /// The log does not have the position before them.
    Conflict,
    /// Another vote counts here.
    HigherVote(Vote),
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    /// The recipient does not live here.
    #[error("no such replica here")]
    Unknown,
    /// The recipient has just started and may have promised a lease before.
    #[error("has just started")]
    Quiet,
    /// The recipient has stopped.
    #[error("stopped")]
    Stopped,
    /// The message contradicts what the replica knows for certain.
    #[error("contradicts what is known")]
    Contradiction,
    /// The message belongs to no snapshot under way, or is not its next one.
    #[error("not the next message of a snapshot")]
    Session,
    /// The rows could not be put in place.
    #[error("the snapshot failed")]
    Failed,
    /// Its rows are being replaced: it vouches for nothing new until they are whole.
    #[error("rows are being replaced")]
    SnapshotPending,
}

/// Terms and indexes of replicas stay below: a range that counts a million a second gets there in a hundred thousand
/// years. What is above would overflow soon, and a vote is durable.
const NUMBER_MAX: u64 = 1 << 62;

fn is_countable(vote: Option<Vote>, positions: &[Option<Position>]) -> bool {
    let is_near = |position: &Position| position.term < NUMBER_MAX && position.index < NUMBER_MAX;
    vote.is_none_or(|vote| vote.term < NUMBER_MAX) && positions.iter().flatten().all(is_near)
}

impl Ask {
    fn is_countable(&self) -> bool {
        match self {
            Self::Vote(ask) => is_countable(Some(ask.vote), &[ask.last]),
            Self::Append(ask) => {
                let last = ask.entries.last().map(|entry| entry.position);
                is_countable(Some(ask.vote), &[ask.previous, last, ask.committed])
            }
            Self::Begin(begin) => is_countable(Some(begin.vote), &[Some(begin.applied)]),
            Self::TransferLeadership(transfer) => is_countable(Some(transfer.vote), &[transfer.last]),
            Self::Piece { .. } | Self::End { .. } => true,
            Self::Digest { index } => *index < NUMBER_MAX,
        }
    }
}

impl Request {
    /// The message on the wire.
    pub(super) fn encode(&self) -> Message {
        codec::encode_request(self)
    }

    /// Reads a message and checks that a replica could have sent it.
    pub(super) fn decode(message: Message) -> Result<Self, Malformed> {
        let request = codec::decode_request(message)?;
        if request.ask.is_countable() && request.is_plausible() {
            Ok(request)
        } else {
            Err(Malformed("request of a replica"))
        }
    }

    fn is_plausible(&self) -> bool {
        match &self.ask {
            Ask::Vote(ask) => {
                !ask.vote.committed
                    && ask.vote.candidate == self.from.replica
                    && ask.last.is_none_or(|last| last.term <= ask.vote.term)
            }
            Ask::Append(ask) => self.leads(ask.vote) && ask.is_consistent(),
            Ask::Begin(begin) => self.leads(begin.vote) && begin.applied.term <= begin.vote.term,
            Ask::TransferLeadership(transfer) => {
                self.leads(transfer.vote) && transfer.last.is_none_or(|last| last.term <= transfer.vote.term)
            }
            Ask::Piece { .. } | Ask::End { .. } | Ask::Digest { .. } => true,
        }
    }

    fn leads(&self, vote: Vote) -> bool {
        vote.committed && vote.candidate == self.from.replica
    }
}

impl AppendAsk {
    /// Whether the entries follow each other and what comes before them, under terms up to the leader's.
    fn is_consistent(&self) -> bool {
        let mut last = self.previous;
        for entry in &self.entries {
            let next = last.map_or(Some(0), |last| last.index.checked_add(1));
            if next != Some(entry.position.index) || last.is_some_and(|last| last.term > entry.position.term) {
                return false;
            }
            last = Some(entry.position);
        }
        let known = last.max(self.committed);
        known.is_none_or(|known| known.term <= self.vote.term)
    }
}

impl Answer {
    fn is_countable(&self) -> bool {
        match self {
            Self::Vote(answer) => is_countable(Some(answer.vote), &[answer.last]),
            Self::Append(AppendAnswer::UpTo(position)) => is_countable(None, &[*position]),
            Self::Append(AppendAnswer::HigherVote(vote)) | Self::Follows(vote) => is_countable(Some(*vote), &[]),
            Self::Append(AppendAnswer::All | AppendAnswer::Conflict) | Self::Refused(_) | Self::GoOn => true,
            Self::Digest(_) => true,
        }
    }

    /// The message on the wire.
    pub(super) fn encode(&self) -> Message {
        codec::encode_answer(self)
    }

    /// Reads an answer and checks that a replica could have sent it.
    pub(super) fn decode(message: Message) -> Result<Self, Malformed> {
        let answer = codec::decode_answer(message)?;
        if answer.is_countable() { Ok(answer) } else { Err(Malformed("answer of a replica")) }
    }
}
