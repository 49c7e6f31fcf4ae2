//! The cluster's map, and every way in which it may change, as functions from map to map.
//!
//! Promises: pure and deterministic; a change that is refused leaves the map as it was; bytes of any origin give a
//! map, a report or an error.
//! Must not know: which process keeps the map, how a change is made durable, messages, time (it is passed in).

pub mod changes;
mod descriptor;
mod drive_state;
mod encoding;
mod error;
mod heard_log_ends;
pub mod map;
pub mod report;
mod role;

pub use descriptor::RangeDescriptor;
pub use drive_state::{DriveState, Liveness, WriteState};
pub use error::MapError;
pub use heard_log_ends::{HeardLogEnds, NEWS_MAX};
pub use role::Role;
