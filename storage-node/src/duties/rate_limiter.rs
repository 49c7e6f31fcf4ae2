//! Pacing: how fast a duty may move bytes.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// Spreads bytes over time. Several tasks may share one.
pub(super) struct RateLimiter {
    bytes_per_second: u64,
    free_at: Mutex<Option<Instant>>,
}

impl RateLimiter {
    pub(super) const fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, free_at: Mutex::new(None) }
    }

    /// Rests until so many bytes more may have been moved.
    pub(super) async fn take(&self, bytes: u64) {
        let micros = bytes.saturating_mul(1_000_000) / self.bytes_per_second.max(1);
        let until = {
            let mut free_at = self.free_at.lock();
            let now = Instant::now();
            let until = free_at.map_or(now, |free| free.max(now)) + Duration::from_micros(micros.min(60_000_000));
            *free_at = Some(until);
            until
        };
        sleep_until(until).await;
    }
}
