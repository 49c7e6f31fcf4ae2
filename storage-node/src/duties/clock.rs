//! Watching the wall clock: what deletes by age must not trust a clock that leapt.
//!
//! Promises: after a leap forward, within a run or across a restart, deleting halts until an operator
//! confirms. (Where there are peers their clocks are asked; a lone node has nobody to ask.)
//! Must not know: what is deleted.

use std::time::Duration;

use couronne_protocol::env::Env;
use parking_lot::Mutex;

struct Seen {
    wall_ms: u64,
    steady: Duration,
    halted: Option<String>,
}

/// A guard of one node's clock.
pub(crate) struct ClockGuard {
    env: Env,
    leap_ms: u64,
    seen: Mutex<Seen>,
}

impl ClockGuard {
    /// Begins to watch; `last_seen_ms` is what the wall clock said when the node last ran, 0 if never.
    pub(crate) fn new(env: &Env, last_seen_ms: u64, leap_ms: u64) -> Self {
        let wall_ms = env.clock.wall_ms();
        let away_ms = wall_ms.saturating_sub(last_seen_ms);
        let halted = (last_seen_ms > 0 && away_ms > leap_ms).then(|| {
            tracing::error!(away_ms, "the wall clock is far ahead of when this node last ran: nothing is deleted");
            format!("the wall clock is {} days ahead of when this node last ran", away_ms / 86_400_000)
        });
        let seen = Mutex::new(Seen { wall_ms, steady: env.clock.steady(), halted });
        Self { env: env.clone(), leap_ms, seen }
    }

    /// Whether duties that delete may go on.
    pub(crate) fn trusts(&self) -> bool {
        let (wall_ms, steady) = (self.env.clock.wall_ms(), self.env.clock.steady());
        let mut seen = self.seen.lock();
        let passed_ms = u64::try_from(steady.saturating_sub(seen.steady).as_millis()).unwrap_or(u64::MAX);
        let leapt_ms = wall_ms.saturating_sub(seen.wall_ms).saturating_sub(passed_ms);
        if leapt_ms > self.leap_ms && seen.halted.is_none() {
            tracing::error!(leapt_ms, "the wall clock leapt forward: nothing is deleted");
            seen.halted = Some(format!("the wall clock leapt forward by {} days", leapt_ms / 86_400_000));
        }
        seen.wall_ms = wall_ms;
        seen.steady = steady;
        seen.halted.is_none()
    }

    /// An operator confirms the clock.
    pub(crate) fn confirm(&self) {
        self.seen.lock().halted = None;
    }

    /// Why deleting is halted, if it is.
    pub(crate) fn halted(&self) -> Option<String> {
        self.seen.lock().halted.clone()
    }
}
