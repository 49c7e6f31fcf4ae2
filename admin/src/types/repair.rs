//! How repair gets on, and which objects lack shards.
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
    /// Ranges whose blobs to repair were not gone through since the drives stand as they do: these may survive fewer losses
    /// than is said here.
    pub unlisted_ranges: Vec<u64>,
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

/// Asks which objects lack shards.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UnrepairedRequest {
    /// Go on from here: `next` of an earlier answer.
    #[serde(default)]
    pub after: Option<String>,
    /// Only those of which too few shards are left to read them.
    #[serde(default)]
    pub unreadable: bool,
    /// At most so many objects; 500 at most.
    #[serde(default = "UnrepairedRequest::limit_max")]
    pub limit: u32,
}

impl UnrepairedRequest {
    /// The most objects of one answer.
    pub const LIMIT_MAX: u32 = 500;

    const fn limit_max() -> u32 {
        Self::LIMIT_MAX
    }
}

impl Default for UnrepairedRequest {
    fn default() -> Self {
        Self { after: None, unreadable: false, limit: Self::LIMIT_MAX }
    }
}

/// Objects that lack shards: an answer looks at so many repair rows at most, and may have few objects, or none, although
/// more follow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnrepairedObjects {
    /// The objects; one whose parts lie in several blobs stands here with each that lacks shards.
    pub objects: Vec<UnrepairedObject>,
    /// More follow: ask again with this as `after`. Unset: these were the last.
    pub next: Option<String>,
    /// Ranges of which no leader answered: of their objects nothing is known.
    pub silent_ranges: Vec<u64>,
}

/// A version of an object, or a part of one or of an open upload, that lacks shards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnrepairedObject {
    /// The name of the bucket; unset: not known.
    pub bucket: Option<String>,
    /// The identity of the bucket, hexadecimal.
    pub bucket_id: String,
    /// The name of the account that owns the bucket; unset: not known.
    pub account: Option<String>,
    /// The canonical id of that account; unset: not known.
    pub account_id: Option<String>,
    /// The key.
    pub key: String,
    /// The version, as S3 names it; unset: the part of an upload that is open.
    pub version: Option<String>,
    /// The upload that the part is of; unset: the object is whole in one blob.
    pub upload: Option<String>,
    /// The number of the part, likewise.
    pub part: Option<u16>,
    /// The length of the object, or part, in bytes.
    pub bytes: u64,
    /// How many shards of its worst chunk are missing.
    pub missing: u8,
    /// How many shards a chunk has.
    pub shards: u8,
    /// How many of them are needed to read it.
    pub needed: u8,
    /// Whether it can be read.
    pub readable: bool,
    /// Whether its shards were looked for since the drives stand as they do. If not, it may be better than is said here.
    pub looked_for: bool,
    /// Since when this is known, in milliseconds since 1970; unset: not known.
    pub since_ms: Option<u64>,
    /// Its blob, hexadecimal, as logs show it.
    pub blob: String,
    /// The range that has its row.
    pub range: u64,
}
