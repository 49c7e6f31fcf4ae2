//! The seam below the index: an ordered map of bytes, written in batches, read in snapshots.
//!
//! Promises of every `Store`: a batch is visible whole or not at all, at once; what `flush` returned
//! for is durable; after a crash the store holds the effect of a prefix of the batches applied, at
//! least up to the last flush. There is no write-ahead log here: a user that needs the suffix keeps a log of
//! its own (the Raft log, the segments) and applies it again. Every method may wait for the medium, but for
//! [`Store::view_in_memory`] and [`Store::unflushed_bytes`].
//! Must not know: rows, objects, Raft, shards.

use std::ops::Bound;

use bytes::Bytes;
use couronne_base::codec::Corrupt;
use thiserror::Error;

/// Why a store could not answer. Nothing was changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The medium failed; the store refuses everything from then on.
    #[error("store failed: {0}")]
    Failed(String),
    /// The medium gives other bytes than were written: another copy has them.
    #[error("rotten row: {0}")]
    Rotten(String),
    /// Rot was met while rows were rewritten: the stores of the drive take no writes any more. Reads go on.
    #[error("rot was met, no writes are taken: {0}")]
    Sealed(String),
    /// Bytes that do not decode: the caller must not guess what they meant.
    #[error("corrupt row: {0}")]
    Corrupt(String),
    /// No space is left for writes; reads go on.
    #[error("store is full: free some hundred MiB on its file system")]
    Full,
    /// A read found the process out of open files. The medium is sound, and a later read may succeed.
    #[error("out of open files")]
    OutOfFiles,
    /// What is read is on the medium only, and was to be read from memory ([`Store::view_in_memory`]).
    #[error("not in memory")]
    NotInMemory,
}

impl From<Corrupt> for StoreError {
    fn from(corrupt: Corrupt) -> Self {
        Self::Corrupt(corrupt.0.to_owned())
    }
}

/// One change of a batch. Keys are whole (row kind first); values are encoded rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets `key` to `value`.
    Put {
        /// The row's key.
        key: Bytes,
        /// The row's encoded value.
        value: Bytes,
    },
    /// Removes `key`; absent keys are fine.
    Delete {
        /// The row's key.
        key: Bytes,
    },
    /// Removes every key in `start..end`.
    DeleteRange {
        /// First key removed.
        start: Bytes,
        /// First key kept.
        end: Bytes,
    },
}

/// Changes that take effect together, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The changes, first to last; a later one on the same key wins.
    pub writes: Vec<Write>,
}

impl Write {
    /// About how many bytes it holds.
    pub fn bytes(&self) -> u64 {
        let len = match self {
            Self::Put { key, value } => key.len() + value.len(),
            Self::Delete { key } => key.len(),
            Self::DeleteRange { start, end } => start.len() + end.len(),
        };
        len as u64
    }
}

impl Batch {
    /// Appends a put.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.writes.push(Write::Put { key: key.into(), value: value.into() });
    }

    /// Appends a deletion.
    pub fn delete(&mut self, key: impl Into<Bytes>) {
        self.writes.push(Write::Delete { key: key.into() });
    }

    /// Appends a range deletion of `start..end`.
    pub fn delete_range(&mut self, start: impl Into<Bytes>, end: impl Into<Bytes>) {
        self.writes.push(Write::DeleteRange { start: start.into(), end: end.into() });
    }

    /// About how many bytes the batch holds.
    pub fn bytes(&self) -> u64 {
        self.writes.iter().map(Write::bytes).sum()
    }
}

/// One row read: its key and value.
pub type Row = (Bytes, Bytes);

/// A cursor over one interval of a view, in one direction. `seek` makes skipping cheap, so that a
/// delimiter listing need not walk what lies under a common prefix.
pub trait Cursor {
    /// The next row in the cursor's direction, or `None` at the end of its interval.
    fn next(&mut self) -> Result<Option<Row>, StoreError>;

    /// Goes on at the first row at or after `key` (at or before it when the cursor runs backwards).
    /// Never goes back: a key already passed, or out of the interval, changes nothing or ends the walk.
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError>;
}

/// An unchanging picture of the store.
pub trait View: Send + Sync {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Rows of the interval in ascending order, or descending if `reverse`.
    fn scan<'a>(&'a self, start: Bound<&[u8]>, end: Bound<&[u8]>, reverse: bool) -> Box<dyn Cursor + 'a>;
}

/// An ordered map of bytes: RocksDB in a server, a model in memory in tests and simulation.
pub trait Store: Send + Sync + 'static {
    /// A picture of the store as of now.
    fn view(&self) -> Box<dyn View + '_>;

    /// The same picture, of which only what memory has is read: it never waits for the medium, and says
    /// [`StoreError::NotInMemory`] instead.
    fn view_in_memory(&self) -> Box<dyn View + '_> {
        self.view()
    }

    /// The same picture, of which the medium is read wherever memory does not happen to have it, with all checksums, and
    /// nothing is kept in memory: for reading rows that nobody else reads.
    fn view_on_medium(&self) -> Box<dyn View + '_> {
        self.view()
    }

    /// Applies a batch: visible whole when this returns, durable at the next flush.
    fn apply(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Makes everything applied before the call durable.
    fn flush(&self) -> Result<(), StoreError>;

    /// Removes every row, durably: the first step of a snapshot install.
    fn wipe(&self) -> Result<(), StoreError>;

    /// Bytes applied since the last flush, about. A bound on it bounds recovery time.
    fn unflushed_bytes(&self) -> u64;
}
