//! Background duties of a node: flushing, reaping, watermarks, repairing, scrubbing.
//!
//! Promises: each is paced and bounded, and only a range's leader has its data deleted; a duty that
//! deletes by age stops while the wall clock cannot be trusted. What a duty missed, the
//! next round or the scrubber finds: what they keep in memory is only what they need not look at again.
//! Must not know: HTTP, S3, Swift.

mod asking;
mod chunk;
mod context;
mod data_loss;
mod duty;
mod error;
mod eta;
mod flusher;
mod progress;
mod rate_limiter;
mod reaper;
mod repairer;
mod scrubber;
mod settings;
mod snapshot;
mod walk;
mod watermarks;

use std::sync::Arc;

use asking::{ask, ask_about, ask_owner, execute, policy_of, some_key};
pub(crate) use context::DutyContext;
pub(crate) use duty::Duty;
use flusher::Flusher;
pub use progress::{Degraded, DriveScrub, RepairStatus, ScrubStatus};
use reaper::Reaper;
pub(crate) use repairer::{Repairer, list};
pub use repairer::{UnrepairedObject, UnrepairedPage, UnrepairedQuery};
pub(crate) use scrubber::Scrubber;
use scrubber::StoreScrubber;
use settings::count;
pub use settings::{DutyCounters, DutySettings};
use watermarks::Watermarks;

/// Begins all duties of a node. They end with it.
pub(crate) fn begin(context: &Arc<DutyContext>) {
    duty::begin(context, Flusher);
    duty::begin(context, Reaper);
    duty::begin(context, Watermarks);
    duty::begin(context, Scrubber::of(context));
    duty::begin(context, StoreScrubber::of(context));
    duty::begin(context, Repairer::of(context));
}
