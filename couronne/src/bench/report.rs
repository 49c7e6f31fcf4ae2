//! What a run reports, as JSON and as lines for people.
//!
//! Must not know: how load is made.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::arguments::BenchArguments;
use super::measure::{Latencies, Measured};
use super::server_cost::ServerCost;

/// The report of a run. Field names are stable: scripts read them.
#[derive(Serialize)]
pub(crate) struct Report {
    workload: String,
    size_bytes: u64,
    concurrency: usize,
    seconds: f64,
    operations: u64,
    bytes: u64,
    keys_listed: u64,
    operations_per_second: f64,
    bytes_per_second: f64,
    keys_per_second: f64,
    latency_ms: Latencies,
    errors: BTreeMap<String, u64>,
    server: Option<ServerReport>,
}

/// What the run cost the server.
#[derive(Serialize)]
struct ServerReport {
    #[serde(flatten)]
    cost: ServerCost,
    cpu_seconds_per_gb: Option<f64>,
    cpu_seconds_per_1000_operations: Option<f64>,
    disk_written_bytes_per_byte: Option<f64>,
}

impl Report {
    /// The report of what was measured in `took`.
    pub(crate) fn new(
        arguments: &BenchArguments,
        mut measured: Measured,
        took: Duration,
        cost: Option<ServerCost>,
    ) -> Self {
        let seconds = took.as_secs_f64();
        let (operations, bytes) = (real(measured.operations), real(measured.bytes));
        let server = cost.map(|cost| ServerReport {
            cost,
            cpu_seconds_per_gb: ratio(cost.cpu_seconds, bytes / 1e9),
            cpu_seconds_per_1000_operations: ratio(cost.cpu_seconds, operations / 1e3),
            disk_written_bytes_per_byte: ratio(real(cost.disk_written_bytes), bytes),
        });
        Self {
            workload: format!("{:?}", arguments.workload).to_lowercase(),
            size_bytes: arguments.size,
            concurrency: arguments.concurrency,
            seconds,
            operations: measured.operations,
            bytes: measured.bytes,
            keys_listed: measured.keys,
            operations_per_second: ratio(operations, seconds).unwrap_or(0.0),
            bytes_per_second: ratio(bytes, seconds).unwrap_or(0.0),
            keys_per_second: ratio(real(measured.keys), seconds).unwrap_or(0.0),
            latency_ms: measured.latencies(),
            errors: measured.errors,
            server,
        }
    }

    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            format!(
                "{} of {} bytes, {} at once: {} operations in {:.1} s",
                self.workload, self.size_bytes, self.concurrency, self.operations, self.seconds
            ),
            format!("  {:.0} operations/s, {:.1} MB/s", self.operations_per_second, self.bytes_per_second / 1e6),
        ];
        if self.keys_listed > 0 {
            lines.push(format!("  {:.0} keys/s", self.keys_per_second));
        }
        let Latencies { p50, p90, p99, p999, max, .. } = self.latency_ms;
        lines.push(format!("  latency ms: p50 {p50:.2}, p90 {p90:.2}, p99 {p99:.2}, p99.9 {p999:.2}, max {max:.2}"));
        if let Some(server) = &self.server {
            let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
            lines.push(format!(
                "  server: {:.2} CPU-s ({} per GB, {} per 1,000 operations), {} bytes written per byte, {:.0} MB resident",
                server.cost.cpu_seconds,
                show(server.cpu_seconds_per_gb),
                show(server.cpu_seconds_per_1000_operations),
                show(server.disk_written_bytes_per_byte),
                real(server.cost.resident_bytes) / 1e6,
            ));
        }
        for (code, count) in &self.errors {
            lines.push(format!("  {count} failed: {code}"));
        }
        lines.join("\n")
    }

    /// Whether any operation failed.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }
}

/// `of` by `by`; `None` where that means nothing.
fn ratio(of: f64, by: f64) -> Option<f64> {
    (by > 0.0).then(|| of / by)
}

/// A count as a real number.
#[allow(clippy::cast_precision_loss, reason = "a report shows three digits")]
fn real(count: u64) -> f64 {
    count as f64
}
