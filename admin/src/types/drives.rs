//! Drives as operators see them.
//!
//! Must not know: how a drive's state is worked out.

use serde::{Deserialize, Serialize};

use super::DriveState;

/// A drive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Drive {
    /// Its identity, hexadecimal.
    pub id: String,
    /// The name of its node.
    pub node: String,
    /// Its region.
    pub region: String,
    /// Its zone.
    pub zone: String,
    /// Its state.
    pub state: DriveState,
    /// Its folder; unset: its node does not have it, or does not answer.
    pub folder: Option<String>,
    /// Why it does not serve; unset: it serves.
    pub down_reason: Option<String>,
    /// Since when it does not serve, by the cluster map, in milliseconds since 1970; unset: it serves.
    pub down_since_ms: Option<u64>,
    /// When its node was expelled, in milliseconds since 1970; unset: that is a member. Nobody waits for the drive then.
    #[serde(default)]
    pub expelled_ms: Option<u64>,
    /// Whether it takes no new shards for want of space.
    pub full: bool,
    /// How often it came back emptied or rolled back.
    pub emptied_times: u64,
    /// The version of the cluster map that first knew the last loss of what it held; 0: there was none.
    pub loss_version: u64,
    /// When that was, in milliseconds since 1970; unset: there was none, or the time is not known.
    pub loss_ms: Option<u64>,
    /// When it was last read through, in milliseconds since 1970; unset: never, or it does not say.
    pub scrubbed_ms: Option<u64>,
    /// Since when it could have been, likewise; unset: it does not say.
    pub unscrubbed_since_ms: Option<u64>,
    /// Its capacity, in bytes; 0: not known.
    pub total_bytes: u64,
    /// Its free space, in bytes.
    pub free_bytes: u64,
    /// Bytes of shards that are named.
    pub live_bytes: u64,
    /// Bytes that compaction can win.
    pub dead_bytes: u64,
    /// Bytes of its log in use.
    pub log_bytes: u64,
}

/// Asks to begin a drive anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReplaceRequest {
    /// Whether a drive that serves is replaced too: what it holds is dropped.
    #[serde(default)]
    pub force: bool,
}
