//! Whether a drive is slow: calls to it do not come back in time, or did not a moment ago.
//!
//! Promises: a drive that hangs is slow once a call is overdue, and no longer once all have come back in time for a while.
//! Must not know: what follows from it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::disk::CallWatch;

/// How long every call must have come back in time before a slow drive counts as one that is not.
const WELL_FOR: Duration = Duration::from_secs(5);

/// What is known of a drive's calls.
pub(super) struct Slowness {
    calls: CallWatch,
    /// When a call was last seen to be overdue.
    overdue_at: Mutex<Option<Instant>>,
    is_slow: AtomicBool,
}

impl Slowness {
    /// Of a drive whose calls are watched.
    pub(super) fn new(calls: CallWatch) -> Self {
        Self { calls, overdue_at: Mutex::default(), is_slow: AtomicBool::new(false) }
    }

    /// Looks again; whether it changed.
    pub(super) fn look(&self) -> bool {
        let mut overdue_at = self.overdue_at.lock();
        if self.calls.has_overdue() {
            *overdue_at = Some(Instant::now());
        }
        let is_slow = overdue_at.is_some_and(|at| at.elapsed() < WELL_FOR);
        self.is_slow.swap(is_slow, Ordering::Relaxed) != is_slow
    }

    /// Whether the drive was slow when that was last looked at.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::disk::CALL_TIME_MAX;

    #[tokio::test(start_paused = true)]
    async fn a_drive_is_slow_while_a_call_is_overdue_and_a_moment_longer() {
        let calls = CallWatch::default();
        let slowness = Slowness::new(calls.clone());
        let call = calls.begin(CALL_TIME_MAX);
        sleep(CALL_TIME_MAX / 2).await;
        assert!(!slowness.look() && !slowness.is_slow());
        sleep(CALL_TIME_MAX).await;
        assert!(slowness.look() && slowness.is_slow());
        sleep(WELL_FOR * 2).await;
        assert!(!slowness.look() && slowness.is_slow(), "it has not come back");
        drop(call);
        assert!(!slowness.look());
        sleep(WELL_FOR).await;
        assert!(slowness.look() && !slowness.is_slow());
    }
}
