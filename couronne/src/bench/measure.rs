//! What a run measured: operations, bytes, latencies, errors by code.
//!
//! Must not know: how load is made, how it is printed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// What one worker, or all of them together, measured.
#[derive(Default)]
pub(crate) struct Measured {
    /// Successful operations.
    pub(crate) operations: u64,
    /// Body bytes of successful operations.
    pub(crate) bytes: u64,
    /// Keys listed.
    pub(crate) keys: u64,
    /// Failed operations by code: S3's, or the client's own word for a broken connection.
    pub(crate) errors: BTreeMap<String, u64>,
    /// The time of each successful operation, in microseconds.
    latencies_us: Vec<u32>,
}

/// Latencies in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latencies {
    /// Half of the operations took no longer.
    pub(crate) p50: f64,
    /// 90 % took no longer.
    pub(crate) p90: f64,
    /// 99 % took no longer.
    pub(crate) p99: f64,
    /// 99.9 % took no longer.
    pub(crate) p999: f64,
    /// The longest.
    pub(crate) max: f64,
    /// Their mean.
    pub(crate) mean: f64,
}

impl Measured {
    /// Counts a success.
    pub(crate) fn success(&mut self, took: Duration, bytes: u64, keys: u64) {
        self.operations += 1;
        self.bytes += bytes;
        self.keys += keys;
        self.latencies_us.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Counts a failure.
    pub(crate) fn failure(&mut self, code: String) {
        *self.errors.entry(code).or_default() += 1;
    }

    /// Adds what another worker measured.
    pub(crate) fn merge(&mut self, other: Self) {
        self.operations += other.operations;
        self.bytes += other.bytes;
        self.keys += other.keys;
        self.latencies_us.extend(other.latencies_us);
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
    }

    /// The latencies by rank; all zero if nothing succeeded.
    pub(crate) fn latencies(&mut self) -> Latencies {
        self.latencies_us.sort_unstable();
        let count = self.latencies_us.len();
        // Nearest rank: the smallest latency that so many per mille of the operations do not exceed.
        let rank = |per_mille: usize| {
            let index = (count * per_mille).div_ceil(1000).saturating_sub(1);
            self.latencies_us.get(index).map_or(0.0, |us| f64::from(*us) / 1000.0)
        };
        let total: f64 = self.latencies_us.iter().map(|us| f64::from(*us)).sum();
        let mean = if count == 0 { 0.0 } else { total / 1000.0 / count_f64(count) };
        Latencies { p50: rank(500), p90: rank(900), p99: rank(990), p999: rank(999), max: rank(1000), mean }
    }
}

/// A count as a divisor.
#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn count_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_a_known_series() {
        let mut one = Measured::default();
        let mut two = Measured::default();
        for ms in 1..=1000 {
            let half = if ms % 2 == 0 { &mut one } else { &mut two };
            half.success(Duration::from_millis(ms), 10, 0);
        }
        two.failure("SlowDown".to_owned());
        one.merge(two);
        let latencies = one.latencies();
        assert_eq!((latencies.p50, latencies.p99, latencies.p999, latencies.max), (500.0, 990.0, 999.0, 1000.0));
        assert!((latencies.mean - 500.5).abs() < 1e-9);
        assert_eq!((one.operations, one.bytes, one.errors.get("SlowDown")), (1000, 10_000, Some(&1)));
    }

    #[test]
    fn nothing_measured_is_no_failure() {
        assert_eq!(Measured::default().latencies().max, 0.0);
    }
}
