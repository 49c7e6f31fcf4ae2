//! The real clock and the real randomness: the one place that asks the kernel for either.
//!
//! Promises: `steady` counts suspension (CLOCK_BOOTTIME); random bytes are fit for keys.
//! Must not know: its callers.

use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use super::{Clock, Env, Random};

/// The surroundings of a real process.
pub fn system() -> Env {
    Env { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) }
}

/// The kernel's clocks.
struct SystemClock;

impl Clock for SystemClock {
    fn wall_us(&self) -> u64 {
        u64::try_from(since_zero(clock_gettime(ClockId::Realtime)).as_micros()).unwrap_or(u64::MAX)
    }

    fn steady(&self) -> Duration {
        since_zero(clock_gettime(ClockId::Boottime))
    }
}

/// A time as the kernel gives it; one before 1970 counts as 1970.
fn since_zero(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The kernel's random number generator.
struct SystemRandom;

impl Random for SystemRandom {
    #[allow(clippy::disallowed_methods, reason = "this is the seam")]
    fn fill(&self, buffer: &mut [u8]) {
        if getrandom::fill(buffer).is_err() {
            // Keys made from anything less would be a silent breach, and no caller could go on.
            tracing::error!("the kernel gives no random bytes");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_advance_and_bytes_differ() {
        let env = system();
        let (wall, steady) = (env.clock.wall_us(), env.clock.steady());
        assert!(wall > 1_700_000_000_000_000, "the wall clock counts microseconds since 1970");
        assert!(env.clock.steady() >= steady);
        assert_ne!(env.random_bytes::<32>(), env.random_bytes::<32>());
    }
}
