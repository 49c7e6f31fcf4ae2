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
    /// Those that serve.
    pub serving: Vec<String>,
    /// The one that leads; unset: none does.
    pub leader: Option<String>,
}
