//! Storage policies, and what each can promise.
//!
//! Must not know: how a promise is worked out.

use serde::{Deserialize, Serialize};

/// Asks for a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StoragePolicyRequest {
    /// Its name.
    pub name: String,
    /// `single`, `replicated:N` or `ec:K+M`.
    pub redundancy: String,
    /// Whether the loss of any zone must be survived.
    #[serde(default)]
    pub survive_zone_loss: bool,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StoragePolicy {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: u16,
    /// `single`, `replicated:N` or `ec:K+M`.
    pub redundancy: String,
    /// Whether new buckets that name none have it.
    pub default: bool,
    /// Whether a chunk is acknowledged only if the loss of any zone is survived.
    pub survive_zone_loss: bool,
    /// What it can promise with the nodes there are: what its data and all metadata survive.
    pub promise: StoragePolicyPromise,
}

/// What a policy can promise with the nodes and zones that its ring is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StoragePolicyPromise {
    /// The policy's name.
    pub policy: String,
    /// Nodes that hold chunks.
    pub nodes: usize,
    /// Zones that hold chunks.
    pub zones: usize,
    /// How many drives may be lost, whichever they are.
    pub drives_survived: usize,
    /// How many nodes may be lost, whichever they are.
    pub nodes_survived: usize,
    /// How many zones may be lost, whichever they are.
    pub zones_survived: usize,
    /// The zones that may not be lost.
    pub zones_not_survived: Vec<String>,
}
