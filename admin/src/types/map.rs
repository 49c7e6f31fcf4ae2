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
    /// Its version, which rises with every change.
    pub version: u64,
    /// Whether it has rings and ranges: once all storage nodes that it waits for have joined, and the meta group has
    /// its voters.
    pub bootstrapped: bool,
    /// The redundancy of the default policy.
    pub policy: String,
    /// Its processes.
    pub nodes: Vec<MapNode>,
    /// Its drives.
    pub drives: Vec<MapDrive>,
    /// Its ranges, that of the meta group first.
    pub ranges: Vec<MapRange>,
    /// The processes that were expelled, by their identities. Storage nodes among them stay in `nodes`, for their drives do.
    #[serde(default)]
    pub expelled: Vec<String>,
}

/// A process of the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MapNode {
    /// Its identity, hexadecimal.
    pub id: String,
    /// What operators call it.
    pub name: String,
    /// Its role.
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
    /// Its state by the map alone, which tells neither a drive that is refilled nor one that is lost apart.
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
    /// The drives of the replicas that it is to have, by their identities.
    pub replicas: Vec<String>,
    /// The drives of the replicas that have a vote, by their identities.
    pub voters: Vec<String>,
}
