//! What must be true of a run: of what clients were told, and of what lies on the drives once all is quiet.
//!
//! Must not know: faults, how clients choose.

pub mod audit;
pub mod checker;
pub mod losses;
mod names;
