//! Metadata ranges: which replicas have a vote, which of these serve, and which leads.

use serde::{Deserialize, Serialize};

/// A metadata range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Range {
    /// Its number; 0 is the meta group, which keeps the cluster map.
    pub range: u64,
    /// The drives of the replicas that it is to have, by their identities.
    pub replicas: Vec<String>,
    /// The drives of the replicas that have a vote, by their identities.
    pub voters: Vec<String>,
    /// How many replicas it is to have by the policies. It has fewer while there are too few drives for them.
    pub wanted: usize,
    /// The drives of the voters that serve, by their identities.
    pub serving: Vec<String>,
    /// The drive of the replica that leads; unset: the range has no leader.
    pub leader: Option<String>,
    /// When its replicas were last compared whole and all voters found alike in every row, in milliseconds since 1970;
    /// unset: never.
    pub stores_scrubbed_ms: Option<u64>,
    /// When the last comparison found rows that differ, or cannot be read, and of which no majority of the replicas
    /// tells what they are, in milliseconds since 1970; unset: it found none. They may be lost.
    pub stores_unresolved_ms: Option<u64>,
}
