//! What ranges or drives can answer that is not what was asked for.
//!
//! Whatever a range refused keeps its [`Refusal`]. Messages are for logs.
//! Must not know: what the caller makes of it.

use couronne_base::fair::Short;
use couronne_metadata::command::Refusal;
use thiserror::Error;

/// Why ranges or drives did not do what was asked.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The leader of the range evaluated the command and refused. Nothing was changed.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// The bucket's rules are not those that the caller named. Nothing was changed.
    #[error("the bucket's rules changed")]
    StaleRules,
    /// Too much is under way: memory, a range or the drives are at their bounds. Nothing was changed.
    #[error("overloaded: {0}")]
    Overloaded(&'static str),
    /// The drives have no space for the write. Reads and deletions go on.
    #[error("no space is left on the drives")]
    Full,
    /// Not enough drives or no leader in time. A command may have taken effect if its outcome could not be learnt
    /// by its deadline.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Stored bytes cannot be given back: too many shards are missing or wrong.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// Stored rows or answers do not make sense; nothing was guessed.
    #[error("corrupt: {0}")]
    Corrupt(String),
}

impl ClientError {
    /// An answer that is not of the shape of its question.
    pub fn unexpected(question: &str) -> Self {
        Self::Corrupt(format!("unexpected answer to {question}"))
    }
}

/// No memory for buffers.
impl From<Short> for ClientError {
    fn from(short: Short) -> Self {
        Self::Overloaded(match short {
            Short::Cut => "the memory for buffers is short, and the request was the slowest of the holder of most",
            Short::Waited => "the memory for buffers is used up",
        })
    }
}
