//! The identity of a replica.
//!
//! Must not know: where it is.

use std::fmt;

/// One replica of one range, on one drive. Never reused: a drive that forgot its past gets new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u64);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica {}", self.0)
    }
}
