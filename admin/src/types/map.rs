//! The cluster map: which processes, drives and ranges there are.
//!
//! Must not know: how the map is kept or changed.

use serde::{Deserialize, Serialize};

use super::{DriveState, NodeRole};

/// The cluster map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClusterMap {
    /// The cluster's identity, hexadecimal.
    pub cluster: String,
    /// Rises with every change.
    pub version: u64,
    /// Whether it has rings and ranges, for as many storage nodes joined as it waited for.
    pub bootstrapped: bool,
    /// The redundancy of the default policy.
    pub policy: String,
    /// Its processes.
    pub nodes: Vec<MapNode>,
    /// Its drives.
    pub drives: Vec<MapDrive>,
    /// Its ranges, the one that keeps the map first.
    pub ranges: Vec<MapRange>,
}

/// A process of the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MapNode {
    /// Its identity, hexadecimal.
    pub id: String,
    /// What operators call it.
    pub name: String,
    /// What it is.
    pub role: NodeRole,
    /// Where its peers reach it; empty: it serves no peers.
    pub address: String,
    /// Its region.
    pub region: String,
    /// Its zone.
    pub zone: String,
}

/// A drive of the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MapDrive {
    /// Its identity, hexadecimal.
    pub id: String,
    /// The name of its node.
    pub node: String,
    /// Its share in rings.
    pub weight: u32,
    /// How it is, by the map alone: a drive that is refilled or lost is not told apart.
    pub state: DriveState,
    /// Since when it does not serve, in milliseconds since 1970; unset: it serves.
    pub down_since_ms: Option<u64>,
}

/// A range of the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MapRange {
    /// Its number.
    pub range: u64,
    /// The drives of its replicas, by their identities.
    pub replicas: Vec<String>,
}
