//! Drives and ranges of other processes: the asking half and the answering half.
//!
//! Promises: the map says which process has a drive; a call that failed is told as the error that
//! says whether it may have been done; what a sender may not do is refused before it is tried.
//! Must not know: how messages travel, what answers them.

mod answer;
mod ranges;
mod shards;

use std::sync::Arc;

use couronne_ring::{DriveId, NodeId};

use crate::map::MapSource;
use crate::transport::{CallError, Rejection, Transport};
use crate::wire::{self, Ask};

pub use answer::answer;
pub use ranges::RemoteRanges;
pub use shards::RemoteShards;

/// The way to the processes that have drives.
struct Reach {
    transport: Arc<dyn Transport>,
    map: Arc<dyn MapSource>,
}

/// What came of a question, if it did not fail in a way of its own.
enum Unanswered {
    /// The map knows no such drive.
    Nowhere,
    /// The call failed.
    Call(CallError),
    /// The answer does not decode.
    Unreadable,
}

impl From<CallError> for Unanswered {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Reach {
    /// The process that has a drive.
    fn node(&self, drive: DriveId) -> Result<NodeId, Unanswered> {
        self.map.current().drives.get(&drive).map(|drive| drive.node).ok_or(Unanswered::Nowhere)
    }

    /// Asks a process.
    async fn ask<A: Ask>(&self, node: NodeId, ask: A) -> Result<Result<A::Done, A::Failed>, Unanswered> {
        let message = wire::pack(ask);
        let reply = self.transport.call(node, A::METHOD, message).await?;
        wire::unpack_reply(reply).map_err(|_| Unanswered::Unreadable)
    }

    /// Asks the process that has a drive.
    async fn ask_drive<A: Ask>(&self, drive: DriveId, ask: A) -> Result<Result<A::Done, A::Failed>, Unanswered> {
        self.ask(self.node(drive)?, ask).await
    }
}

impl Unanswered {
    /// Whether the other side said that it has too much to do.
    const fn is_overload(&self) -> bool {
        matches!(self, Self::Call(CallError::Rejected(Rejection::Overloaded)))
    }

    /// Whether what was asked may have been done, or may yet be.
    const fn maybe_done(&self) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Call(error) => error.maybe_done(),
            Self::Unreadable => true,
        }
    }

    /// For a person.
    fn reason(&self) -> String {
        match self {
            Self::Nowhere => "the map knows no such drive".to_owned(),
            Self::Call(error) => error.to_string(),
            Self::Unreadable => "the answer does not decode".to_owned(),
        }
    }
}
