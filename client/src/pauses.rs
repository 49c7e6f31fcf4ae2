//! The pauses between attempts at one thing: each about twice the one before, none past the time that the caller has.
//!
//! Must not know: what is attempted.

use std::time::Duration;

use couronne_base::env::Env;
use tokio::time::sleep;

/// The first pause.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// The time that one caller has, and how long it waits between attempts.
pub(crate) struct Pauses<'a> {
    env: &'a Env,
    /// When the time is up, by the steady clock.
    end: Duration,
    next: Duration,
    longest: Duration,
}

impl<'a> Pauses<'a> {
    /// Of a caller that waits no longer than `budget` in all, and at most `longest` at once.
    pub(crate) fn new(env: &'a Env, budget: Duration, longest: Duration) -> Self {
        Self { env, end: env.clock.steady().saturating_add(budget), next: PAUSE_MIN, longest }
    }

    /// The time that is left, if any is.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.end.checked_sub(self.env.clock.steady()).filter(|left| !left.is_zero())
    }

    /// Waits a random part of the next pause, so that callers do not come back in step.
    pub(crate) async fn pause(&mut self) {
        let [random] = self.env.random_bytes::<1>();
        let pause = self.next / 2 + self.next * u32::from(random) / 512;
        self.next = (self.next * 2).min(self.longest);
        sleep(pause.min(self.left().unwrap_or_default())).await;
    }
}
