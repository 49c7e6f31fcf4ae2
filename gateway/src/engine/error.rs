//! The engine's errors: one enum, which each face maps to its own codes in one table.
//!
//! What is the client's fault and what is ours are different variants; whatever a range refused
//! keeps its [`Refusal`]. Messages are for logs: no face shows them.
//! Must not know: status codes, XML.

use couronne_base::fair::Short;
use couronne_client::ClientError;
use couronne_metadata::command::Refusal;
use couronne_metadata::ids::{Ordinal, VersionId};
use couronne_metadata::record::ChecksumAlgorithm;
use thiserror::Error;

use super::body::BodyError;

/// Why a verb did not do it.
#[derive(Debug, Error)]
pub enum EngineError {
    /// A range evaluated the command and refused, or a read found nothing (`NoSuchKey`,
    /// `NoSuchVersion`, `NoSuchUpload`, `NoSuchBucket`).
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// What was to be read is a delete marker: the key's newest version, or the version named.
    #[error("the version is a delete marker")]
    DeleteMarker {
        /// The marker's name.
        version: VersionId,
        /// Its place in time: its Last-Modified.
        ordinal: Ordinal,
    },
    /// The bucket's name belongs to another account.
    #[error("the bucket exists and is another account's")]
    BucketAlreadyExists,
    /// The bucket exists and is the caller's own.
    #[error("the bucket exists and is the caller's own")]
    BucketAlreadyOwnedByYou,
    /// The bucket is being created or deleted, or its rules are being changed, by someone else just now.
    #[error("another change of the bucket is under way")]
    BucketBusy,
    /// The storage policy asked for is not in the cluster map.
    #[error("no such storage policy")]
    NoSuchPolicy,
    /// The bucket's rules changed since the caller resolved it: renew the bucket
    /// ([`super::Engine::renew_bucket`]), authorize again, and repeat. Nothing was changed.
    #[error("the bucket's rules changed")]
    StaleRules,
    /// The object was replaced while it was being opened: open it again. No byte was given out.
    #[error("the object changed while it was being read")]
    ObjectChanged,
    /// The body ended, stalled or was framed wrongly.
    #[error("body: {0}")]
    Body(#[from] BodyError),
    /// The body is not what its sender said. Nothing was committed.
    #[error("the body does not match its {0:?}")]
    Digest(DigestKind),
    /// The blob would have more chunks than can be numbered.
    #[error("the body is too large")]
    EntityTooLarge,
    /// Too much is under way: memory, a range or the drives are at their bounds. Nothing was changed.
    #[error("overloaded: {0}")]
    SlowDown(&'static str),
    /// The drives have no space for the write. Reads and deletions go on.
    #[error("no space is left on the drives")]
    Full,
    /// Not enough drives or no leader in time. A write may have happened only if it was a commit
    /// whose outcome could not be learnt by its deadline.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Stored bytes cannot be given back: too many shards are missing or wrong.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// Stored rows or answers do not make sense; nothing was guessed.
    #[error("corrupt: {0}")]
    Corrupt(String),
}

/// Which of its sender's words a body broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestKind {
    /// `Content-MD5`.
    Md5,
    /// The SHA-256 that the signature covers.
    SignedSha256,
    /// A checksum header or trailer of this algorithm.
    Checksum(ChecksumAlgorithm),
}

impl From<Refusal> for EngineError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What ranges and drives answer is an answer of the verb. The two have one list of what can be said, because a face
/// has one table for it, whichever of them said it.
impl From<ClientError> for EngineError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::Refused(refusal),
            ClientError::StaleRules => Self::StaleRules,
            ClientError::Overloaded(what) => Self::SlowDown(what),
            ClientError::Full => Self::Full,
            ClientError::Unavailable(what) => Self::Unavailable(what),
            ClientError::Unreadable(what) => Self::Unreadable(what),
            ClientError::Corrupt(what) => Self::Corrupt(what),
        }
    }
}

/// No memory for buffers.
impl From<Short> for EngineError {
    fn from(short: Short) -> Self {
        ClientError::from(short).into()
    }
}

impl EngineError {
    /// An answer that is not of the shape of its question.
    pub(crate) fn unexpected(question: &str) -> Self {
        ClientError::unexpected(question).into()
    }
}
