//! A policy of the map, with its ring.
//!
//! Must not know: buckets.

use std::sync::Arc;

use couronne_placement::Policy;
use couronne_ring::Ring;

/// A policy, and its ring once the cluster is formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapPolicy {
    /// What it promises.
    pub policy: Policy,
    /// Where its chunks lie.
    pub ring: Option<Arc<Ring>>,
}
