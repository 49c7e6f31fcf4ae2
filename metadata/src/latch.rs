//! Which latches a command holds from its evaluation until its effect is applied.
//!
//! Two commands that could read or write the same row never overlap, so a leader may evaluate
//! against applied rows while earlier proposals are still on their way.

use crate::command::CommandRequest;
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

impl CommandRequest {
    /// The latches of the command, in the order to take them.
    pub fn latches(&self) -> Vec<(LatchKey, LatchMode)> {
        let mut latches = Vec::with_capacity(3);
        let kind = self.command.kind();
        latches.extend(kind.watermarks.map(|mode| (LatchKey::Watermarks, mode)));
        latches.extend(kind.rules.map(|mode| (LatchKey::Rules(self.bucket), mode)));
        latches.push((LatchKey::Key(self.bucket, self.key.clone()), LatchMode::Exclusive));
        latches
    }
}
