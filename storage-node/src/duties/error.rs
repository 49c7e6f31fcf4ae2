//! Why a duty did not do what it wanted; the next round tries again.

use std::num::TryFromIntError;

use couronne_client::ClientError;
use couronne_placement::PlaceError;
use couronne_placement::erasure::ErasureError;
use couronne_protocol::range::RangeError;
use couronne_protocol::shard::ShardError;
use couronne_ring::DriveId;
use thiserror::Error;

/// Why something was not done.
#[derive(Debug, Error)]
pub(super) enum DutyError {
    /// A range did not do it.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// No leader of a range did it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A range answered something else than it was asked.
    #[error("wrong answer")]
    WrongAnswer,
    /// The leader's own rows are not what they ought to be, or cannot be read: another leader goes on.
    #[error("the leader's own rows are wrong")]
    WrongRows,
    /// A drive did not do it.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// A drive did not answer in time.
    #[error("drive {0} does not answer in time")]
    NoAnswer(DriveId),
    /// A range has no rules of a bucket whose shards lie here.
    #[error("its bucket has no rules there")]
    NoRules,
    /// The map has no ring of a blob's policy.
    #[error("the blob's policy is unknown")]
    NoPolicy,
    /// A chunk has no place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The shards of a chunk do not give the missing ones.
    #[error(transparent)]
    Erasure(#[from] ErasureError),
    /// No shard tells how a chunk is encoded.
    #[error("no shard of its chunk was found")]
    NoShard,
    /// A blob has more chunks than can be numbered.
    #[error("chunk number: {0}")]
    ChunkNumber(#[from] TryFromIntError),
    /// Nothing can be addressed to the range as a whole.
    #[error("the range has no key")]
    NoKey,
}
