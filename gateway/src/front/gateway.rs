//! What a face works with.
//!
//! Must not know: requests.

use std::sync::Arc;

use couronne_base::env::Env;

use crate::engine::Engine;
use crate::identity::Identity;
use crate::metrics::Metrics;

/// A face and the components it works with; passed in. The faces of one process share the components, which are cheap
/// to clone.
pub struct Gateway<F> {
    /// The verbs on buckets and objects.
    pub engine: Engine,
    /// Accounts, users, keys.
    pub identity: Identity,
    /// Time and randomness.
    pub env: Env,
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
    /// What an operator may tune of the pipeline.
    pub settings: FrontSettings,
    /// The face, with what an operator may tune of it.
    pub face: F,
}

/// What an operator may tune of the pipeline.
#[derive(Clone, Debug)]
pub struct FrontSettings {
    /// How long a client may send nothing while its body is awaited. Milliseconds.
    pub body_stall_ms: u64,
}

impl Default for FrontSettings {
    fn default() -> Self {
        Self { body_stall_ms: 30_000 }
    }
}
