//! How scrubbing gets on.
//!
//! Must not know: how the figures of several nodes are added.

use serde::{Deserialize, Serialize};

/// How the scrubber gets on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scrub {
    /// Whether a round is under way.
    pub running: bool,
    /// Rounds that every node has finished since its start.
    pub rounds: u64,
    /// When the last such round ended, in milliseconds since 1970; unset: there was none.
    pub ended_ms: Option<u64>,
    /// How far the drives are read, each shard of which is checked and its row looked for.
    pub drives: Vec<ScrubDrive>,
    /// Chunks of rows whose shards were looked for in the round under way, or in the last one.
    pub looked_chunks: u64,
    /// All chunks whose shards are looked for in a round; unset until they are counted.
    pub total_chunks: Option<u64>,
    /// Bytes read in a second.
    pub bytes_per_second: u64,
    /// Seconds since the round under way began; 0: none is.
    pub elapsed_s: u64,
    /// Seconds until the round ends; unset: nothing to tell it by, or not everything is counted yet.
    pub remaining_s: Option<u64>,
    /// Shards found missing or wrong since the nodes started.
    pub found: u64,
    /// Chunks of which shards were put back.
    pub healed: u64,
    /// Shards deleted that no row names.
    pub orphans: u64,
    /// Within how long everything is to be scrubbed once, in seconds.
    pub cycle_s: u64,
}

/// A drive in the scrubber's round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScrubDrive {
    /// Its identity, hexadecimal.
    pub drive: String,
    /// The name of its node.
    pub node: String,
    /// Bytes read.
    pub read_bytes: u64,
    /// All bytes that are read in a round.
    pub total_bytes: u64,
}
