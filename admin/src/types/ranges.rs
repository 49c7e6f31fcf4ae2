//! Metadata ranges: which replicas serve, and which leads.

use serde::{Deserialize, Serialize};

/// A metadata range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Range {
    /// Its number.
    pub range: u64,
    /// The drives of its replicas, by their identities.
    pub replicas: Vec<String>,
    /// The drives of the replicas that serve, by their identities.
    pub serving: Vec<String>,
    /// The drive of the replica that leads; unset: the range has no leader.
    pub leader: Option<String>,
}
