//! The clients of a run: what they ask, what they are told, and the history of both.
//!
//! Must not know: faults, how a history is judged.

pub mod actions;
pub mod client_log;
pub mod history;
pub mod hostile;
pub mod locks;
pub mod values;
pub mod workload;
