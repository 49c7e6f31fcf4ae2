//! The processes of a cluster, and the tokens with which they join.
//!
//! Must not know: how their state is found out.

use serde::{Deserialize, Serialize};

/// What a process of the cluster is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    /// It keeps drives and replicas of ranges.
    #[default]
    StorageNode,
    /// It serves clients and keeps nothing.
    Gateway,
}

impl NodeRole {
    /// Its name, in `identity.toml` too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StorageNode => "storage-node",
            Self::Gateway => "gateway",
        }
    }
}

/// A process of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Node {
    /// What operators call it.
    pub name: String,
    /// Its identity, hexadecimal.
    pub id: String,
    /// Its role.
    pub role: NodeRole,
    /// Its region.
    pub region: String,
    /// Its zone.
    pub zone: String,
    /// Where its peers reach it; empty: it serves no peers.
    pub address: String,
    /// Whether it answers; of a gateway, whether it reported within the last seconds.
    pub answers: bool,
    /// The version of its binary, as it last said; unset: it did not.
    pub version: Option<String>,
    /// Since when none of its drives serves, in milliseconds since 1970; unset: one does.
    pub down_since_ms: Option<u64>,
    /// How long ago it sent its last node report, in milliseconds; unset: none to the present leader of the meta group.
    pub report_age_ms: Option<u64>,
    /// How far its clock is ahead of the median of the storage nodes', in milliseconds; unset: not known.
    pub clock_offset_ms: Option<i64>,
    /// How many drives it has by the map.
    pub drives: usize,
    /// When it was expelled, in milliseconds since 1970; unset: it is a member.
    #[serde(default)]
    pub expelled_ms: Option<u64>,
}

/// Asks for a token with which processes join.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// The role of the processes that join with it.
    pub role: NodeRole,
    /// For how many minutes it is good: 7 days at most.
    pub lifetime_minutes: u32,
    /// How many processes join with it: 256 at most.
    #[serde(default = "one")]
    pub joins_max: u32,
}

const fn one() -> u32 {
    1
}

/// A token as it is listed, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenDetail {
    /// Its identity, hexadecimal.
    pub id: String,
    /// The role of the processes that join with it.
    pub role: NodeRole,
    /// When it runs out, in milliseconds since 1970.
    pub expires_ms: u64,
    /// How many processes join with it.
    pub joins_max: u32,
    /// Those that did, by their identities.
    pub joined: Vec<String>,
}

/// Asks for a member to be expelled.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpelRequest {
    /// Although data is lost or in danger by it.
    #[serde(default)]
    pub force: bool,
}

/// A token. A secret: no `Debug`.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct JoinToken {
    /// Its identity, hexadecimal, with which it is revoked.
    pub id: String,
    /// Its text.
    pub token: String,
}
