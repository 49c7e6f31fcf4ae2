//! Whether a node's wall clock can be trusted: what deletes by age, and what orders writes, must not believe
//! a clock that is wrong.
//!
//! Promises: after a leap forward, within a run or across a restart, deleting halts until the clocks of the
//! other members agree, or an operator confirms where there are none to ask. Where the others' clocks say that
//! this one is wrong it takes no writes; a leap since they were asked counts. In a cluster nothing is deleted
//! before they were asked.
//! Must not know: what is deleted, how clocks are asked.

use std::time::Duration;

use couronne_base::env::Env;
use couronne_base::mutant;
use parking_lot::Mutex;

/// How far a clock may be from the others', in milliseconds.
pub const CLOCK_OFF_MS_MAX: i64 = 5000;

/// For how long it counts that the others agreed.
const AGREED_FOR: Duration = Duration::from_secs(30);

struct Seen {
    wall_ms: u64,
    steady: Duration,
    halted: Option<String>,
    known: Option<KnownOffset>,
}

/// What the others' clocks said of this one.
#[derive(Clone, Copy)]
struct KnownOffset {
    /// How far it was ahead of them, in milliseconds.
    off_ms: i64,
    wall_ms: u64,
    steady: Duration,
}

/// A guard of one node's clock.
pub struct ClockGuard {
    env: Env,
    leap_ms: u64,
    has_peers: bool,
    seen: Mutex<Seen>,
}

impl ClockGuard {
    /// Begins to watch; `last_seen_ms` is what the wall clock said when the node last ran, 0 if never. A leap
    /// by more than `leap_ms` is doubted.
    pub(crate) fn new(env: &Env, last_seen_ms: u64, leap_ms: u64, has_peers: bool) -> Self {
        let wall_ms = env.clock.wall_ms();
        let ahead_ms = wall_ms.saturating_sub(last_seen_ms);
        let halted = (last_seen_ms > 0 && ahead_ms > leap_ms).then(|| {
            tracing::error!(ahead_ms, "the wall clock is far ahead of when this node last ran: nothing is deleted");
            format!("the wall clock is {} days ahead of when this node last ran", ahead_ms / 86_400_000)
        });
        let seen = Mutex::new(Seen { wall_ms, steady: env.clock.steady(), halted, known: None });
        Self { env: env.clone(), leap_ms, has_peers, seen }
    }

    /// Whether duties that delete may go on.
    pub(crate) fn trusts(&self) -> bool {
        let agrees = !self.has_peers || self.off_ms().is_some_and(is_near);
        !self.doubts() && agrees
    }

    /// Whether the clock leapt and nobody has said that it is right.
    pub(crate) fn doubts(&self) -> bool {
        let (wall_ms, steady) = (self.env.clock.wall_ms(), self.env.clock.steady());
        let mut seen = self.seen.lock();
        let passed_ms = millis(steady.saturating_sub(seen.steady));
        let leapt_ms = wall_ms.saturating_sub(seen.wall_ms).saturating_sub(passed_ms);
        if leapt_ms > self.leap_ms && seen.halted.is_none() {
            tracing::error!(leapt_ms, "the wall clock leapt forward: nothing is deleted");
            seen.halted = Some(format!("the wall clock leapt forward by {} days", leapt_ms / 86_400_000));
        }
        seen.wall_ms = wall_ms;
        seen.steady = steady;
        seen.halted.is_some()
    }

    /// The members' clocks, taken together, say how far this one is ahead of them, in milliseconds; `None` if
    /// they do not know themselves, which makes no clock right that was wrong.
    pub(crate) fn set_offset(&self, off_ms: Option<i64>) {
        let (wall_ms, steady) = (self.env.clock.wall_ms(), self.env.clock.steady());
        let mut seen = self.seen.lock();
        let was_wrong = seen.known.is_some_and(|known| !is_near(known.off_ms));
        match off_ms {
            Some(off_ms) if is_near(off_ms) => seen.halted = None,
            Some(off_ms) if !was_wrong => {
                tracing::error!(
                    offset_ms = off_ms,
                    "the wall clock differs from the other nodes': no range is led here"
                );
            }
            None if was_wrong => return,
            _ => {}
        }
        seen.known = off_ms.map(|off_ms| KnownOffset { off_ms, wall_ms, steady });
    }

    /// How far the clock is ahead of the others', in milliseconds, if that is too far.
    pub(crate) fn differs(&self) -> Option<i64> {
        self.off_ms().filter(|off_ms| !is_near(*off_ms) && !mutant!(LeadByWrongClock))
    }

    /// How far the clock is ahead of the others', as far as is known.
    fn off_ms(&self) -> Option<i64> {
        let known = self.seen.lock().known?;
        let since = self.env.clock.steady().saturating_sub(known.steady);
        if is_near(known.off_ms) && since > AGREED_FOR {
            return None;
        }
        let leapt = i128::from(self.env.clock.wall_ms()) - i128::from(known.wall_ms) - i128::from(millis(since));
        Some(known.off_ms.saturating_add(i64::try_from(leapt).unwrap_or(i64::MAX)))
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

const fn is_near(off_ms: i64) -> bool {
    off_ms.saturating_abs() <= CLOCK_OFF_MS_MAX
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use couronne_base::testing::{TestClock, still_env};

    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn guard(has_peers: bool) -> (Arc<TestClock>, ClockGuard) {
        let (env, clock) = still_env(1);
        let guard = ClockGuard::new(&env, env.clock.wall_ms() - 5, DAY_MS, has_peers);
        (clock, guard)
    }

    #[test]
    fn alone_only_a_leap_is_doubted() {
        let (clock, guard) = guard(false);
        clock.pass(Duration::from_millis(30 * DAY_MS));
        assert!(guard.trusts(), "time has passed");
        clock.leap_ms(3600 * 1000);
        assert!(guard.trusts() && guard.differs().is_none());
        clock.leap_ms(i64::try_from(2 * DAY_MS).unwrap());
        assert!(!guard.trusts() && guard.differs().is_none());
        guard.confirm();
        assert!(guard.trusts());
    }

    #[test]
    fn among_others_their_clocks_decide() {
        let (clock, guard) = guard(true);
        assert!(!guard.trusts() && guard.differs().is_none(), "they were not asked");
        guard.set_offset(Some(4000));
        assert!(guard.trusts());
        clock.leap_ms(2000);
        assert_eq!(guard.differs(), Some(6000), "nobody has to say so");
        assert!(!guard.trusts());
        clock.leap_ms(-12_000);
        assert_eq!(guard.differs(), Some(-6000));
        guard.set_offset(Some(-6000));
        clock.pass(Duration::from_millis(3_600_000));
        guard.set_offset(None);
        assert_eq!(guard.differs(), Some(-6000), "it does not mend by waiting");
        clock.leap_ms(6000);
        assert!(guard.trusts(), "it was set right");
    }

    #[test]
    fn a_leap_is_forgiven_once_the_others_agree() {
        let (clock, guard) = guard(true);
        guard.set_offset(Some(0));
        clock.leap_ms(i64::try_from(2 * DAY_MS).unwrap());
        assert!(guard.doubts() && guard.differs().is_some());
        guard.set_offset(None);
        assert!(!guard.trusts() && guard.differs().is_none(), "all leapt: which clock is right is not known");
        guard.set_offset(Some(100));
        assert!(guard.trusts() && !guard.doubts());
    }

    #[test]
    fn agreement_is_not_for_ever() {
        let (clock, guard) = guard(true);
        guard.set_offset(Some(0));
        clock.pass(Duration::from_millis(29_000));
        assert!(guard.trusts());
        clock.pass(Duration::from_millis(2000));
        assert!(!guard.trusts() && guard.differs().is_none());
    }
}
