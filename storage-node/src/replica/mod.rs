//! A replica of a range: its rows, its latches, and the way of a command from evaluation to answer.
//!
//! Must not know: HTTP, S3, Swift, the consensus library.

mod latches;
mod state_machine;
mod proposer;

pub use latches::{LatchGuard, Latches};
pub use state_machine::{RangeStateMachine, StartState, applied_row};
pub(crate) use proposer::{Proposal, Proposer, fits};
