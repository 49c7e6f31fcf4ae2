//! What a face works with.
//!
//! Must not know: requests.

use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_base::fair::{Patience, Pool};

use super::limits::pace::LeastRate;
use crate::audit::Audit;
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
    /// Where requests leave their events.
    pub audit: Audit,
    /// What an operator may tune of the pipeline.
    pub settings: FrontSettings,
    /// The memory of bodies that are read whole ([`FrontSettings::documents`]).
    pub documents: Pool,
    /// The face, with what an operator may tune of it.
    pub face: F,
}

/// What an operator may tune of the pipeline.
#[derive(Clone, Debug)]
pub struct FrontSettings {
    /// How long a client may send nothing while its body is awaited. Milliseconds.
    pub body_stall_ms: u64,
    /// The rate at which a client sends a body that is waited for, at least. Bytes a second.
    pub bytes_per_s_min: u64,
    /// Over how much time of waiting that rate is taken. Milliseconds.
    pub rate_over_ms: u64,
    /// Memory of bodies that are read whole, of what is made of them included. Bytes.
    pub document_bytes_max: u64,
    /// How long a request waits for that memory before the slowest of the holder of most is cut. Milliseconds.
    pub document_cut_ms: u64,
    /// How long a request waits for that memory. Milliseconds.
    pub document_wait_ms: u64,
}

impl Default for FrontSettings {
    fn default() -> Self {
        Self {
            body_stall_ms: 30_000,
            bytes_per_s_min: 1 << 10,
            rate_over_ms: 60_000,
            document_bytes_max: 64 << 20,
            document_cut_ms: 500,
            document_wait_ms: 5_000,
        }
    }
}

impl FrontSettings {
    /// The memory of bodies that are read whole: one pool for all faces of a process.
    pub fn documents(&self) -> Pool {
        let patience = Patience {
            cut_after: Duration::from_millis(self.document_cut_ms),
            cuts_own: true,
            give_up_after: Duration::from_millis(self.document_wait_ms),
        };
        Pool::new(self.document_bytes_max, patience)
    }

    /// The least rate of a body.
    pub(super) const fn least_rate(&self) -> LeastRate {
        LeastRate { bytes_per_s: self.bytes_per_s_min, over: Duration::from_millis(self.rate_over_ms) }
    }
}
