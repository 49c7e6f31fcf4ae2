//! The one clock and the one random source of all tests and of the simulation, and the runtime of tests in paused time.
//!
//! Promises: the same seed and the same steps give the same times and the same bytes, on every machine.

mod clock;
mod random;

use std::sync::Arc;

pub use clock::{TestClock, WALL_START_US};
pub use random::{Rng, SeededRandom};

use tokio::runtime::{Builder, Runtime};

use crate::env::Env;

/// A runtime of one thread whose time stands still while there is work, and leaps when there is none.
#[allow(clippy::expect_used, reason = "a test without a runtime is a failed test")]
pub fn paused() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

/// A clock that runs with Tokio's, and random bytes of this seed.
pub fn env(seed: u64) -> (Env, Arc<TestClock>) {
    with_clock(TestClock::running(), seed)
}

/// A clock that stands until it is set, and random bytes of this seed.
pub fn still_env(seed: u64) -> (Env, Arc<TestClock>) {
    with_clock(TestClock::still(), seed)
}

fn with_clock(clock: TestClock, seed: u64) -> (Env, Arc<TestClock>) {
    let clock = Arc::new(clock);
    (Env { clock: clock.clone(), random: Arc::new(SeededRandom::new(Rng::new(seed))) }, clock)
}
