//! What every role takes from its surroundings: time and randomness.
//!
//! They are passed in, never called directly, so that a whole cluster can run in one process,
//! seeded and repeatable.

mod system;

use std::sync::Arc;
use std::time::Duration;

pub use system::system;

/// Time. The wall clock may jump; the steady clock never goes back and counts suspension.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since 1970, by the wall.
    fn wall_us(&self) -> u64;

    /// Time since some fixed point (CLOCK_BOOTTIME on Linux).
    fn steady(&self) -> Duration;

    /// Milliseconds since 1970, by the wall.
    fn wall_ms(&self) -> u64 {
        self.wall_us() / 1000
    }
}

/// Randomness, good enough for keys.
pub trait Random: Send + Sync + 'static {
    /// Fills `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// The surroundings of one role.
#[derive(Clone)]
pub struct Env {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

impl Env {
    /// `N` random bytes.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }
}
