//! Latches: what a command may hold from its evaluation until its effect is applied, and how.
//!
//! Promises: two commands that could read or write the same row never overlap, so a leader may evaluate
//! against applied rows while earlier proposals are still on their way.
//! Must not know: which command holds which latch.

use crate::ids::{BucketId, ObjectKey};

/// What is latched. Latches are taken in this order, so that no two commands wait for each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LatchKey {
    /// The range's watermarks: the disown horizon and the forgotten commits.
    Watermarks,
    /// The rules row of a bucket.
    Rules(BucketId),
    /// All rows of a key.
    Key(BucketId, ObjectKey),
}

/// How it is latched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatchMode {
    /// Together with other shared holders.
    Shared,
    /// Alone.
    Exclusive,
}
