//! A replica of a range: its rows, its latches, and the way of a command from evaluation to answer.
//!
//! Must not know: HTTP, S3, Swift, the consensus library.

mod latches;
mod proposer;
mod state_machine;

pub use latches::{LatchGuard, Latches};
pub(crate) use proposer::{Proposal, Proposer, fits};
pub use state_machine::{RangeStateMachine, StartState, applied_row};
