//! What consensus is about, in our own words: replicas, terms, positions, votes, entries.
//!
//! These are the types that the log keeps on a disk and that messages carry. The consensus library's
//! types never leave its one folder.
//! Must not know: the library, rows, files.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
pub use couronne_cluster::map::ReplicaId;
use couronne_ring::DriveId;

/// A place in a range's log. A later term wins; within a term indices rise by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The leadership that proposed the entry.
    pub term: u64,
    /// The entry's number, from 0.
    pub index: u64,
}

/// What a replica last promised: it follows nobody below this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The term voted in.
    pub term: u64,
    /// The replica that got the vote.
    pub candidate: ReplicaId,
    /// Whether a quorum is known to have given the same vote: the candidate leads.
    pub committed: bool,
}

/// The replicas that take part in a range's consensus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The voters; two sets while a change is under way, and then both must agree.
    pub voters: Vec<BTreeSet<ReplicaId>>,
    /// Where every member lives, learners included.
    pub places: BTreeMap<ReplicaId, DriveId>,
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: a new leader's first entry.
    Blank,
    /// A change of members.
    Members(Members),
    /// Effects, encoded once and shared by all replicas of this process.
    Effects(Bytes),
}

/// One entry of a range's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub position: Position,
    /// What it carries.
    pub payload: Payload,
}

impl Payload {
    /// About how much memory and log the payload takes, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Blank => 0,
            Self::Members(members) => 64 * members.places.len(),
            Self::Effects(bytes) => bytes.len(),
        }
    }
}
