//! The cluster time as a node counts it: by it alone object locks are judged.
//!
//! The meta group's leader notes it in the map about once a minute, bounded by the median of the storage nodes' clocks;
//! between two notes every node counts on with its steady clock, and never past its own wall clock.
//! Promises: it only rises. Neither a wall clock that leaps forward nor time for which the cluster was off moves it on:
//! that does the operator who confirms the clock. So a lock holds for as long as it was made for, or longer.
//! Must not know: what is judged by it, how the map travels.

use std::time::Duration;

use couronne_base::env::Env;
use couronne_base::mutant;
use parking_lot::Mutex;

/// The cluster time at one moment of the steady clock.
#[derive(Clone, Copy)]
struct Anchor {
    time_ms: u64,
    steady: Duration,
}

struct Counted {
    anchor: Anchor,
    /// The latest time that was told.
    told_ms: u64,
}

/// The cluster time, as one node counts it.
pub(crate) struct ClusterTime {
    env: Env,
    counted: Mutex<Counted>,
}

impl ClusterTime {
    /// Counts on from the time that the map of a start notes, in milliseconds since 1970.
    pub(crate) fn new(env: &Env, noted_ms: u64) -> Self {
        let anchor = Anchor { time_ms: noted_ms, steady: env.clock.steady() };
        Self { env: env.clone(), counted: Mutex::new(Counted { anchor, told_ms: 0 }) }
    }

    /// Takes what a newer map notes, if that is later than what was counted here.
    pub(crate) fn learn(&self, noted_ms: u64) {
        let steady = self.env.clock.steady();
        let mut counted = self.counted.lock();
        if noted_ms > counted.anchor.at(steady) {
            counted.anchor = Anchor { time_ms: noted_ms, steady };
        }
    }

    /// The cluster time, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        let (wall_ms, steady) = (self.env.clock.wall_ms(), self.env.clock.steady());
        if mutant!(JudgeLocksByWallClock) {
            return wall_ms;
        }
        let mut counted = self.counted.lock();
        counted.told_ms = counted.told_ms.max(counted.anchor.at(steady).min(wall_ms));
        counted.told_ms
    }

    /// How far it is behind the node's wall clock, in milliseconds: so much longer locks hold.
    pub(crate) fn lag_ms(&self) -> u64 {
        self.env.clock.wall_ms().saturating_sub(self.now_ms())
    }
}

impl Anchor {
    /// The time at a later moment of the steady clock.
    fn at(self, steady: Duration) -> u64 {
        let passed = steady.saturating_sub(self.steady).as_millis();
        self.time_ms.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use couronne_base::testing::{TestClock, still_env};

    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn counted(behind_ms: u64) -> (Arc<TestClock>, ClusterTime, u64) {
        let (env, clock) = still_env(1);
        let noted_ms = env.clock.wall_ms() - behind_ms;
        (clock, ClusterTime::new(&env, noted_ms), noted_ms)
    }

    #[test]
    fn it_counts_what_passes_and_no_leap() {
        let (clock, time, start_ms) = counted(0);
        clock.pass(Duration::from_millis(5000));
        assert_eq!((time.now_ms(), time.lag_ms()), (start_ms + 5000, 0));
        clock.leap_ms(i64::try_from(11 * 365 * DAY_MS).unwrap());
        assert_eq!((time.now_ms(), time.lag_ms()), (start_ms + 5000, 11 * 365 * DAY_MS));
        clock.pass(Duration::from_millis(DAY_MS));
        assert_eq!(time.now_ms(), start_ms + 5000 + DAY_MS);
    }

    #[test]
    fn it_stood_still_while_the_cluster_was_off_until_an_operator_confirms() {
        let (clock, time, start_ms) = counted(3 * DAY_MS);
        clock.pass(Duration::from_millis(1000));
        assert_eq!((time.now_ms(), time.lag_ms()), (start_ms + 1000, 3 * DAY_MS));
        time.learn(start_ms);
        assert_eq!(time.now_ms(), start_ms + 1000, "an older note takes nothing back");
        time.learn(start_ms + 1000 + 3 * DAY_MS);
        assert_eq!((time.now_ms(), time.lag_ms()), (start_ms + 1000 + 3 * DAY_MS, 0));
    }

    #[test]
    fn it_waits_for_a_wall_clock_that_is_behind_and_never_goes_back() {
        let (clock, time, start_ms) = counted(0);
        assert_eq!(time.now_ms(), start_ms);
        clock.leap_ms(-60_000);
        clock.pass(Duration::from_millis(30_000));
        assert_eq!(time.now_ms(), start_ms);
        clock.leap_ms(60_000);
        assert_eq!(time.now_ms(), start_ms + 30_000, "what passed was counted");
    }
}
