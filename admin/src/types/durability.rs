//! How many more losses the cluster's data survives, what is in danger, and whether everything is known to be safe.
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
    /// Whether everything is known to be safe.
    pub safety: Safety,
}

/// Whether everything is known to be safe, and by what. What a node or a leader does not say is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Safety {
    /// Whether as many losses are survived as are promised, and there is no doubt.
    pub all_safe: bool,
    /// The version of the cluster map that first knew the newest loss of what a drive held: it was lost, emptied, rolled
    /// back or replaced; 0: there was none.
    pub loss_version: u64,
    /// The version of the cluster map up to whose losses the blobs of every range were looked through; unset: of some
    /// range that is not known.
    pub swept_version: Option<u64>,
    /// Blobs that are repaired or wait for a drive, by the repair rows of all ranges; unset: of some range that is not
    /// known.
    pub repair_rows: Option<u64>,
    /// When the drive was read through of which that is longest ago, in milliseconds since 1970; unset: one never was, or
    /// does not say.
    pub shards_scrubbed_ms: Option<u64>,
    /// When every shard of every blob was last looked for, in the range of which that is longest ago, likewise.
    pub shards_looked_for_ms: Option<u64>,
    /// When the replicas were last compared, in the range of which that is longest ago, likewise.
    pub stores_scrubbed_ms: Option<u64>,
    /// Within how long each of these is to be done again, in seconds.
    pub scrub_cycle_s: u64,
    /// What is not as it has to be, or is not known.
    pub doubts: Vec<Doubt>,
}

/// Something that is not as it has to be, or is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Doubt {
    /// What it is.
    pub kind: DoubtKind,
    /// The names of the nodes, the identities of the drives or the numbers of the ranges that it is about.
    pub of: Vec<String>,
    /// Since when, in milliseconds since 1970; unset: that is not known.
    pub since_ms: Option<u64>,
}

/// What is not as it has to be, or is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DoubtKind {
    /// Storage nodes do not answer.
    NodesSilent,
    /// Storage nodes do not have the newest map.
    NodesBehind,
    /// Drives do not serve.
    DrivesAway,
    /// No leader of the ranges says how they are.
    RangesSilent,
    /// The groups of the ranges lack voters, or one of these does not serve.
    GroupsNotWhole,
    /// The ranges' blobs were not looked through for the newest losses yet.
    RangesUnswept,
    /// The ranges' blobs to repair were not gone through since the drives stand as they do.
    RangesUnlisted,
    /// Blobs of the ranges are repaired or wait for a drive, or repair has something else to do.
    Unrepaired,
    /// Rows of the ranges differ between replicas or cannot be read, and no majority tells what they are.
    RowsUnresolved,
    /// The drives were not read through within the cycle.
    ShardsUnscrubbed,
    /// The shards of the ranges' blobs were not looked for within the cycle.
    ShardsNotLookedFor,
    /// The ranges' replicas were not compared within the cycle.
    StoresUnscrubbed,
}
