//! Time from Tokio's clock, and seeded chance.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use couronne_protocol::env::{Clock, Random};
use tokio::time::Instant;

/// Where the twin's wall clock begins: microseconds since 1970.
const WALL_START_US: u64 = 1_800_000_000_000_000;

/// A clock that runs with Tokio's, paused or not.
pub struct TwinClock {
    start: Instant,
}

impl TwinClock {
    /// A clock that starts now.
    #[allow(clippy::new_without_default, reason = "it starts to run")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for TwinClock {
    fn wall_us(&self) -> u64 {
        WALL_START_US + u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX / 2)
    }

    fn steady(&self) -> Duration {
        self.start.elapsed()
    }
}

/// The same bytes for the same seed, in the order they are asked for.
pub struct TwinRandom {
    seed: u64,
    drawn: AtomicU64,
}

impl TwinRandom {
    /// Chance from a seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Random for TwinRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let draw = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_be_bytes());
        hasher.update(&draw.to_be_bytes());
        hasher.finalize_xof().fill(buffer);
    }
}
