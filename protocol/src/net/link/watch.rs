//! Whether a peer is still there: a stopped process or a cut cable closes no connection.
//!
//! A peer that owes something and is silent is asked; one that stays silent after that, or takes
//! nothing of what is sent to it, is given up. While bulk bytes are on their way in front of the
//! question, the answer may take longer.
//! Must not know: what is sent.

use std::time::Duration;

use crate::net::settings::NetSettings;

/// What a connection has seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Bytes that came.
    pub(super) received: u64,
    /// Bytes that the kernel took.
    pub(super) sent: u64,
    /// Whether bytes wait for the kernel to take them.
    pub(super) sending: bool,
    /// Whether the peer owes an answer, or is owed one.
    pub(super) busy: bool,
}

/// What to do about a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    Ask,
    GivenUp(&'static str),
}

/// What is known of a peer's silence.
pub(super) struct Watch {
    ping_after: Duration,
    ping_idle: Duration,
    silence_max: Duration,
    last: Seen,
    /// When something came last.
    heard: Duration,
    /// When it was asked, if it has not been heard since.
    asked: Option<Duration>,
    /// Since when it takes nothing of what waits for it.
    stuck: Option<Duration>,
}

impl Watch {
    pub(super) const fn new(settings: &NetSettings, now: Duration) -> Self {
        Self {
            ping_after: Duration::from_millis(settings.ping_after_ms),
            ping_idle: Duration::from_millis(settings.ping_idle_ms),
            silence_max: Duration::from_millis(settings.silence_ms_max),
            last: Seen { received: 0, sent: 0, sending: false, busy: false },
            heard: now,
            asked: None,
            stuck: None,
        }
    }

    /// How often to look.
    pub(super) fn period(&self) -> Duration {
        (self.ping_after.min(self.silence_max) / 2).max(Duration::from_millis(1))
    }

    /// Judges what was seen by `now`.
    pub(super) fn look(&mut self, now: Duration, seen: Seen) -> Verdict {
        let last = std::mem::replace(&mut self.last, seen);
        let takes = seen.sent != last.sent;
        if seen.received != last.received {
            (self.heard, self.asked) = (now, None);
        }
        self.stuck = if seen.sending && !takes { self.stuck.or(Some(now)) } else { None };
        if self.stuck.is_some_and(|since| now.saturating_sub(since) >= self.silence_max) {
            return Verdict::GivenUp("it takes nothing");
        }
        if seen.sending && takes && self.asked.is_some() {
            self.asked = Some(now);
        }
        match self.asked {
            Some(asked) if now.saturating_sub(asked) >= self.silence_max => Verdict::GivenUp("it is silent"),
            Some(_) => Verdict::Fine,
            None => {
                let patience = if seen.busy { self.ping_after } else { self.ping_idle };
                if now.saturating_sub(self.heard) < patience {
                    return Verdict::Fine;
                }
                self.asked = Some(now);
                Verdict::Ask
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Seen = Seen { received: 0, sent: 0, sending: false, busy: true };

    /// What happens at each half second.
    fn verdicts(seen: impl Fn(u64) -> Seen, half_seconds: u64) -> Vec<(u64, Verdict)> {
        let settings =
            NetSettings { ping_after_ms: 1000, ping_idle_ms: 9000, silence_ms_max: 3000, ..NetSettings::default() };
        let mut watch = Watch::new(&settings, Duration::ZERO);
        assert_eq!(watch.period(), Duration::from_millis(500));
        let looks = (1..=half_seconds).map(|n| (n, watch.look(Duration::from_millis(n * 500), seen(n))));
        looks.filter(|(_, verdict)| *verdict != Verdict::Fine).collect()
    }

    #[test]
    fn a_silent_peer_is_asked_and_given_up() {
        assert_eq!(verdicts(|_| BUSY, 8), [(2, Verdict::Ask), (8, Verdict::GivenUp("it is silent"))]);
        let small_calls_into_the_void = |n| Seen { sent: n * 100, ..BUSY };
        let expected = [(2, Verdict::Ask), (8, Verdict::GivenUp("it is silent"))];
        assert_eq!(verdicts(small_calls_into_the_void, 8), expected);
    }

    #[test]
    fn one_that_answers_is_left_alone() {
        assert_eq!(verdicts(|n| Seen { received: n, ..BUSY }, 100), []);
        let pongs_only = |n: u64| Seen { received: n / 3, ..BUSY };
        assert!(verdicts(pongs_only, 100).iter().all(|(_, verdict)| *verdict == Verdict::Ask));
    }

    #[test]
    fn one_that_owes_nothing_is_asked_seldom() {
        let idle = Seen { busy: false, ..BUSY };
        assert_eq!(verdicts(|_| idle, 24), [(18, Verdict::Ask), (24, Verdict::GivenUp("it is silent"))]);
    }

    #[test]
    fn bulk_on_a_slow_line_takes_its_time() {
        let slow = |n: u64| Seen { sent: n * 100, sending: n < 60, ..BUSY };
        assert_eq!(verdicts(slow, 62), [(2, Verdict::Ask)]);
        assert_eq!(verdicts(slow, 65).last(), Some(&(65, Verdict::GivenUp("it is silent"))));
    }

    #[test]
    fn one_that_takes_nothing_is_given_up_even_if_it_talks() {
        let deaf = |n: u64| Seen { received: n, sending: true, ..BUSY };
        assert_eq!(verdicts(deaf, 7), [(7, Verdict::GivenUp("it takes nothing"))]);
    }
}
