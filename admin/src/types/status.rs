//! The status of a cluster: what is in danger, what can be promised, nodes, drives, ranges and background work.
//!
//! Must not know: how it is gathered or shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Drive, Durability, Node, Range, Repair, Scrub, StoragePolicyPromise};

/// How a cluster is. A lone server is a cluster of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClusterStatus {
    /// The version of the binary of the process that was asked.
    pub version: String,
    /// The cluster's identity, hexadecimal.
    pub cluster: String,
    /// The redundancy of the default policy.
    pub policy: String,
    /// Seconds since the process that was asked started.
    pub uptime_s: u64,
    /// The S3 listener of the process that was asked; of a storage node, the one for its peers.
    pub listen: String,
    /// The clock of the process that was asked, in milliseconds since 1970.
    pub now_ms: u64,
    /// The version of the cluster map by which this was judged.
    pub map_version: u64,
    /// What is in danger.
    pub durability: Durability,
    /// What the default policy can promise.
    pub promise: StoragePolicyPromise,
    /// The storage nodes, by name.
    pub nodes: Vec<Node>,
    /// The gateways, by name.
    pub gateways: Vec<Node>,
    /// The drives, by node and folder.
    pub drives: Vec<Drive>,
    /// Metadata ranges, by number.
    pub ranges: Vec<Range>,
    /// Why the duties that delete are halted; unset: they are not.
    pub halted: Option<String>,
    /// How far the cluster time, by which object locks are judged, is behind the clocks of the storage nodes, in
    /// milliseconds: for so much longer locks hold.
    pub time_lag_ms: u64,
    /// While the certificate authority is changed: the members that this waits for, by name. Until they have their
    /// certificates anew the old authority counts as well. Unset: it is not being changed.
    pub authority_waits_for: Option<Vec<String>>,
    /// Background work since the nodes started: counters by name.
    pub background: BTreeMap<String, u64>,
    /// Repair.
    pub repair: Repair,
    /// Scrubbing.
    pub scrub: Scrub,
}
