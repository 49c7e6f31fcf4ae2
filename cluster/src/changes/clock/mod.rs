//! The clocks of the storage nodes, and the time that the cluster keeps.

mod median;
mod raise;

pub use median::{NodeClock, median_ms};
pub use raise::raise_time;
