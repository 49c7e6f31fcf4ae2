//! The least rate at which a client has to move its bytes.
//!
//! Only the time counts during which the client is waited for: a server that is slow itself gives nobody up. The
//! code that waits measures: a body while its next bytes are awaited, a connection while it takes no more.
//! Must not know: which way the bytes go.

use std::time::Duration;

/// The least rate.
#[derive(Clone, Copy, Debug)]
pub struct LeastRate {
    /// Bytes a second.
    pub bytes_per_s: u64,
    /// Over so much time of waiting.
    pub over: Duration,
}

/// What a client moved, and how long it was waited for.
#[derive(Debug, Default)]
pub(in crate::front) struct Pace {
    bytes: u64,
    waited: Duration,
}

impl Pace {
    /// The client moved so many bytes.
    pub(in crate::front) const fn moved(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The client was waited for; whether it is too slow.
    pub(in crate::front) fn is_too_slow(&mut self, waited: Duration, least: LeastRate) -> bool {
        self.waited = self.waited.saturating_add(waited);
        if self.waited < least.over {
            return false;
        }
        let Self { bytes, waited } = std::mem::take(self);
        let millis = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        bytes < least.bytes_per_s.saturating_mul(millis) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: LeastRate = LeastRate { bytes_per_s: 1000, over: Duration::from_secs(10) };

    #[test]
    fn a_steady_client_is_kept_and_a_dripping_one_is_not() {
        let (mut steady, mut dripping) = (Pace::default(), Pace::default());
        for _ in 0..100 {
            steady.moved(1000);
            assert!(!steady.is_too_slow(Duration::from_secs(1), LEAST));
        }
        let mut slow = false;
        for _ in 0..10 {
            dripping.moved(1);
            slow |= dripping.is_too_slow(Duration::from_secs(1), LEAST);
        }
        assert!(slow);
    }

    #[test]
    fn what_is_not_waited_for_costs_nothing() {
        let mut pace = Pace::default();
        assert!((0..1000).all(|_| !pace.is_too_slow(Duration::ZERO, LEAST)));
    }
}
