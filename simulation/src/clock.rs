//! The clocks of one simulated process: the steady one runs fast or slow, the wall clock is set right again
//! and again as time servers do it, and yet wrong by something.
//!
//! Must not know: what time is used for.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use couronne_protocol::env::Clock;

/// What the wall clocks say when the world begins: microseconds since 1970.
const WALL_START_US: u64 = 1_800_000_000_000_000;

/// What a wall clock that is right says at this time since the world began, in milliseconds since 1970.
pub const fn wall_ms(world_ms: u64) -> u64 {
    WALL_START_US / 1000 + world_ms
}

/// A process's clocks.
#[derive(Default)]
pub struct SimulatedClock {
    steady_us: AtomicU64,
    wall_us: AtomicU64,
    wall_offset_us: AtomicI64,
}

impl SimulatedClock {
    /// Lets the clocks go on to this time since the world began, as the world and as the process counts it.
    pub fn run_to(&self, world_ms: u64, local_ms: u64) {
        self.wall_us.store(world_ms.saturating_mul(1000), Ordering::Relaxed);
        self.steady_us.store(local_ms.saturating_mul(1000), Ordering::Relaxed);
    }

    /// Sets the wall clock so far ahead of (or behind) the right time.
    pub fn set_offset_ms(&self, offset_ms: i64) {
        self.wall_offset_us.store(offset_ms.saturating_mul(1000), Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn wall_us(&self) -> u64 {
        let right = WALL_START_US.saturating_add(self.wall_us.load(Ordering::Relaxed));
        right.saturating_add_signed(self.wall_offset_us.load(Ordering::Relaxed))
    }

    fn steady(&self) -> Duration {
        Duration::from_micros(self.steady_us.load(Ordering::Relaxed))
    }
}
