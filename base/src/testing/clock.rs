//! A clock that a test holds in its hand: it runs with Tokio's clock or stands, and its wall clock can leap.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::env::Clock;

/// What a test's wall clock says at its start: microseconds since 1970.
pub const WALL_START_US: u64 = 1_800_000_000_000_000;

/// A test's clock.
#[derive(Debug)]
pub struct TestClock {
    /// When a clock that runs with Tokio's was started; `None`: it stands.
    started: Option<Instant>,
    /// What the wall clock counted by hand: microseconds since 1970, its start included.
    wall_us: AtomicU64,
    /// What the steady clock counted by hand, in microseconds.
    steady_us: AtomicU64,
    /// How far the wall clock is ahead of the right time, in microseconds.
    wall_offset_us: AtomicI64,
}

impl TestClock {
    /// A clock that runs with Tokio's (paused or not), from [`WALL_START_US`] on.
    pub fn running() -> Self {
        Self { started: Some(Instant::now()), ..Self::still() }
    }

    /// A clock that stands at [`WALL_START_US`].
    pub const fn still() -> Self {
        Self::still_at(WALL_START_US)
    }

    /// A clock that stands at this time in microseconds since 1970.
    pub const fn still_at(wall_us: u64) -> Self {
        Self {
            started: None,
            wall_us: AtomicU64::new(wall_us),
            steady_us: AtomicU64::new(0),
            wall_offset_us: AtomicI64::new(0),
        }
    }

    /// Another clock that says the same now, and that leaps by itself.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            started: self.started,
            wall_us: AtomicU64::new(self.wall_us.load(Ordering::Relaxed)),
            steady_us: AtomicU64::new(self.steady_us.load(Ordering::Relaxed)),
            wall_offset_us: AtomicI64::new(self.wall_offset_us.load(Ordering::Relaxed)),
        }
    }

    /// Lets time pass on both clocks.
    pub fn pass(&self, time: Duration) {
        self.wall_us.fetch_add(as_us(time), Ordering::Relaxed);
        self.steady_us.fetch_add(as_us(time), Ordering::Relaxed);
    }

    /// Sets how much time each clock has counted by hand since the start.
    pub fn set_passed(&self, wall: Duration, steady: Duration) {
        self.wall_us.store(WALL_START_US.saturating_add(as_us(wall)), Ordering::Relaxed);
        self.steady_us.store(as_us(steady), Ordering::Relaxed);
    }

    /// Moves the wall clock alone by so many milliseconds, forward or back.
    pub fn leap_ms(&self, by_ms: i64) {
        self.wall_offset_us.fetch_add(by_ms.saturating_mul(1000), Ordering::Relaxed);
    }

    /// Sets how far the wall clock is ahead of the right time (behind it, if negative), in milliseconds.
    pub fn set_offset_ms(&self, offset_ms: i64) {
        self.wall_offset_us.store(offset_ms.saturating_mul(1000), Ordering::Relaxed);
    }

    fn run(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |started| started.elapsed())
    }
}

impl Clock for TestClock {
    fn wall_us(&self) -> u64 {
        let right = self.wall_us.load(Ordering::Relaxed).saturating_add(as_us(self.run()));
        right.saturating_add_signed(self.wall_offset_us.load(Ordering::Relaxed))
    }

    fn steady(&self) -> Duration {
        self.run().saturating_add(Duration::from_micros(self.steady_us.load(Ordering::Relaxed)))
    }
}

fn as_us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
