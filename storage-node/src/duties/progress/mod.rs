//! How the duties that take long get on: what operators are told, and what rounds leave to each other. In memory only.
//!
//! Must not know: how a duty does its work.

mod repair;
mod scrub;

pub use repair::{Degraded, RepairStatus};
pub(super) use repair::{Parked, Progress, RangeProgress, survives, terms};
pub use scrub::{DriveScrub, ScrubStatus};
pub(super) use scrub::{Of, ScrubProgress};
