//! How many more losses the cluster's data survives, and what is in danger.
//!
//! Must not know: how it is worked out.

use serde::{Deserialize, Serialize};

/// What is in danger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Durability {
    /// How many more losses everything survives, as far as is known; below 0: something is out of reach now.
    pub survives: i64,
    /// How many losses the default policy promises to survive.
    pub promised: i64,
    /// Chunks known to survive no more losses than `survives`.
    pub chunks: u64,
    /// Chunks known to survive fewer losses than their policy promises.
    pub degraded_chunks: u64,
    /// Drives that are down, lost or emptied, and whose shards repair has not made up for yet.
    pub drives_away: u64,
    /// Ranges without a leader: their keys can be neither read nor written. Without the meta group (0) the cluster map
    /// cannot change.
    pub leaderless: Vec<u64>,
    /// Ranges that survive no more losses than `survives`, and fewer than promised.
    pub ranges: u64,
    /// Ranges that have fewer voters than the policies want.
    pub smaller_ranges: u64,
    /// Storage nodes that are still to join until the cluster begins.
    pub awaited_nodes: u64,
    /// Voters that the meta group is still to get until the cluster begins.
    pub awaited_voters: u64,
}
