//! What a gateway asks of a metadata range.

use async_trait::async_trait;
use bytes::Bytes;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::{CommandRequest, Outcome, Refusal};
use couronne_metadata::ids::{BucketId, Generation, RangeId};
use couronne_metadata::query::{Answer, Query};
use couronne_ring::DriveId;
use thiserror::Error;

/// Which range a request means, as its sender believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeAddress {
    /// The range.
    pub range: RangeId,
    /// Its generation.
    pub generation: Generation,
    /// The replica asked.
    pub replica: DriveId,
}

/// A query with what every query carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryRequest {
    /// The bucket.
    pub bucket: BucketId,
    /// The rules version the gateway authorized under; `None` for duties and system rows.
    pub rules_version: Option<u64>,
    /// The question.
    pub query: Query,
}

/// Why a range did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RangeError {
    /// The command was evaluated and changed nothing.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// The replica does not lead; perhaps this one does. Nothing was changed.
    #[error("not the leader")]
    NotLeader(Option<DriveId>),
    /// The sender's range table is old; these are the ranges now. Nothing was changed.
    #[error("stale range descriptor")]
    StaleRange(Vec<RangeDescriptor>),
    /// The sender's bucket rules are old: resolve and authorize again. Nothing was changed.
    #[error("stale bucket rules")]
    StaleRules,
    /// Too much is queued; nothing was changed.
    #[error("range is overloaded")]
    Overloaded,
    /// The drives have no space for new rows; nothing was changed.
    #[error("no space is left for new rows")]
    Full,
    /// No leader in time, or the range failed. With `maybe_done` the command may yet take effect:
    /// repeat it with the same commit id.
    #[error("range is unavailable: {reason}")]
    Unavailable {
        /// What happened.
        reason: String,
        /// Whether the command may have been, or may yet be, applied.
        maybe_done: bool,
    },
    /// Stored rows do not decode; nothing may be guessed.
    #[error("range is corrupt: {0}")]
    Corrupt(String),
}

impl From<Refusal> for RangeError {
    /// Stale rules are an error of their own, for a query meets them as well.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::StaleRules => Self::StaleRules,
            refusal => Self::Refused(refusal),
        }
    }
}

/// Ranges as a gateway sees them.
#[async_trait]
pub trait RangeClient: Send + Sync + 'static {
    /// The ranges that meet `start..end` (positions; an empty end is the keyspace's).
    async fn describe(&self, start: Bytes, end: Bytes) -> Result<Vec<RangeDescriptor>, RangeError>;

    /// Executes a command. Answered once it is durable and applied at the leader.
    async fn execute(&self, address: RangeAddress, request: CommandRequest) -> Result<Outcome, RangeError>;

    /// Answers a query from applied state, under the leader's lease.
    async fn query(&self, address: RangeAddress, query: QueryRequest) -> Result<Answer, RangeError>;

    /// The leader that this side last heard of, if any; a hint.
    fn leader_hint(&self, range: RangeId) -> Option<DriveId> {
        let _ = range;
        None
    }
}
