//! How repair gets on.
//!
//! Must not know: how the figures of several nodes are added.

use serde::{Deserialize, Serialize};

/// How repair gets on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Repair {
    /// Blobs that could be better with the drives that serve now, or that were not looked at yet, and ranges
    /// that lack members; 0: all are as good as they can be.
    pub pending: u64,
    /// The chunks of these blobs, as far as they were counted.
    pub pending_chunks: u64,
    /// Chunks looked at since something last was to be done.
    pub done_chunks: u64,
    /// Seconds since something last was to be done; 0: nothing is to be done.
    pub elapsed_s: u64,
    /// Blobs that are as good as they can be, and wait for a drive.
    pub parked: u64,
    /// Bytes of shards rebuilt since the nodes started.
    pub rebuilt_bytes: u64,
    /// Bytes of shards rebuilt in a second, of late.
    pub bytes_per_second: u64,
    /// Seconds until nothing is pending; unset: nothing to tell it by, or not everything is counted yet.
    pub remaining_s: Option<u64>,
    /// How many more losses the most endangered of these chunks survives; unset: there is none.
    pub survives: Option<i16>,
    /// Chunks that survive fewer losses than their policy promises, the most endangered first.
    pub degraded: Vec<DegradedChunks>,
    /// Blobs of which is known how many losses they survive, of those that are repaired or wait for a drive.
    pub listed: u64,
    /// How long a drive is waited for until its shards are rebuilt elsewhere, in seconds.
    pub grace_s: u64,
}

/// Chunks that survive so many more losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DegradedChunks {
    /// How many more losses they survive; below 0 they cannot be read now.
    pub survives: i16,
    /// The number of their blobs.
    pub blobs: u64,
    /// The number of chunks.
    pub chunks: u64,
}
