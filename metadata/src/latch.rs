//! Which latches a command holds from its evaluation until its effect is applied.
//!
//! Two commands that could read or write the same row never overlap, so a leader may evaluate
//! against applied rows while earlier proposals are still on their way.

use crate::command::{Command, Envelope, NewData};
use crate::ids::{BucketId, ObjectKey};

/// What is latched. Latches are taken in this order, so that no two commands wait for each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LatchKey {
    /// The range's marks: the disown horizon and the forgotten commits.
    Marks,
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

impl Envelope {
    /// The latches of the command, in the order to take them.
    pub fn latches(&self) -> Vec<(LatchKey, LatchMode)> {
        let mut latches = Vec::with_capacity(3);
        match &self.command {
            Command::AdvanceHorizon { .. } | Command::ForgetCommits { .. } => {
                latches.push((LatchKey::Marks, LatchMode::Exclusive));
            }
            Command::Put { data: NewData::Blob(..), .. } | Command::PutPart { data: NewData::Blob(..), .. } => {
                latches.push((LatchKey::Marks, LatchMode::Shared));
            }
            _ => {}
        }
        match &self.command {
            Command::PutRules { .. } | Command::SealBucket { .. } | Command::DropRules => {
                latches.push((LatchKey::Rules(self.bucket), LatchMode::Exclusive));
            }
            command if command.needs_rules() => latches.push((LatchKey::Rules(self.bucket), LatchMode::Shared)),
            _ => {}
        }
        latches.push((LatchKey::Key(self.bucket, self.key.clone()), LatchMode::Exclusive));
        latches
    }
}

impl Command {
    /// Whether it may only happen in a bucket whose live rules are those that the gateway knew.
    pub const fn needs_rules(&self) -> bool {
        matches!(
            self,
            Self::Put { .. }
                | Self::Delete { .. }
                | Self::UpdateAttributes { .. }
                | Self::CreateUpload { .. }
                | Self::PutPart { .. }
                | Self::CompleteUpload { .. }
                | Self::AbortUpload { .. }
        )
    }
}
