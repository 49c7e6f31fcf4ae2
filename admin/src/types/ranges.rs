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
    /// Whether its group has no members but the replicas that it is to have, all of them with a vote.
    pub settled: bool,
    /// What its leader says of it; unset: no leader says anything.
    pub facts: Option<RangeFacts>,
    /// Since when no leader says anything of it, in milliseconds since 1970; unset: one does.
    pub silent_since_ms: Option<u64>,
}

/// What the leader of a range says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RangeFacts {
    /// The term in which it leads.
    pub term: u64,
    /// The version of the cluster map up to whose losses the range's blobs were looked through.
    pub swept_version: u64,
    /// Blobs that are repaired or wait for a drive.
    pub repair_rows: u64,
    /// When every shard of every blob was last looked for, in milliseconds since 1970; unset: never.
    pub looked_ms: Option<u64>,
    /// When its replicas were last compared whole and all voters found alike in every row, in milliseconds since 1970;
    /// unset: never.
    pub stores_scrubbed_ms: Option<u64>,
    /// When the last comparison found rows that differ, or cannot be read, and of which no majority of the replicas
    /// tells what they are, in milliseconds since 1970; unset: it found none. They may be lost.
    pub stores_unresolved_ms: Option<u64>,
}
