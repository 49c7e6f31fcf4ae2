//! What a run cost the server: CPU seconds, disk writes, memory, from its processes or its metrics page.
//!
//! Promises: several processes are summed, so a server of several processes compares with one of one.
//! Must not know: what load was made.

#![allow(clippy::disallowed_methods, reason = "the seam to /proc: no clock or disk of the storage path is involved")]

use std::fs;

use serde::Serialize;

use super::BenchError;

/// Ticks a second in `/proc/PID/stat`: USER_HZ, which is 100 on every Linux platform Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Where the cost is read.
pub(crate) enum CostSource {
    /// Nowhere.
    None,
    /// From these processes.
    Processes(Vec<u32>),
    /// From the metrics page at this host and port, and path.
    Metrics(String),
}

/// Counters of the server at one moment, or their difference over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct ServerCost {
    /// CPU seconds, user and system.
    pub(crate) cpu_seconds: f64,
    /// Bytes handed to block devices; 0 if only metrics are read.
    pub(crate) disk_written_bytes: u64,
    /// Resident memory at the end, in bytes.
    pub(crate) resident_bytes: u64,
    /// The most resident memory there ever was, in bytes; 0 if only metrics are read.
    pub(crate) resident_peak_bytes: u64,
}

impl CostSource {
    /// Reads the counters; `None` if there is nowhere to read them.
    pub(crate) async fn read(&self) -> Result<Option<ServerCost>, BenchError> {
        match self {
            Self::None => Ok(None),
            Self::Processes(pids) => pids.iter().map(|pid| process(*pid)).sum::<Result<_, _>>().map(Some),
            Self::Metrics(url) => {
                let page = super::plain_get(url).await?;
                let value =
                    |name| metric(&page, name).ok_or_else(|| BenchError::Endpoint(format!("{url} has no {name}")));
                let cpu_seconds = value("process_cpu_seconds_total")?;
                let resident_bytes = whole(value("process_resident_memory_bytes")?);
                Ok(Some(ServerCost { cpu_seconds, resident_bytes, ..ServerCost::default() }))
            }
        }
    }
}

impl ServerCost {
    /// What was spent since `before`; memory is not spent and stays as it is now.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            disk_written_bytes: self.disk_written_bytes.saturating_sub(before.disk_written_bytes),
            ..self
        }
    }
}

impl std::iter::Sum for ServerCost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |sum, cost| Self {
            cpu_seconds: sum.cpu_seconds + cost.cpu_seconds,
            disk_written_bytes: sum.disk_written_bytes + cost.disk_written_bytes,
            resident_bytes: sum.resident_bytes + cost.resident_bytes,
            resident_peak_bytes: sum.resident_peak_bytes + cost.resident_peak_bytes,
        })
    }
}

/// The counters of one process.
fn process(pid: u32) -> Result<ServerCost, BenchError> {
    let read = |file: &str| {
        fs::read_to_string(format!("/proc/{pid}/{file}"))
            .map_err(|error| BenchError::Endpoint(format!("reading /proc/{pid}/{file}: {error}")))
    };
    let status = read("status")?;
    let ticks = ticks(&read("stat")?).ok_or_else(|| BenchError::Endpoint(format!("/proc/{pid}/stat is odd")))?;
    Ok(ServerCost {
        cpu_seconds: ticks / TICKS_PER_SECOND,
        disk_written_bytes: number(&read("io")?, "write_bytes:").unwrap_or(0),
        resident_bytes: number(&status, "VmRSS:").unwrap_or(0) << 10,
        resident_peak_bytes: number(&status, "VmHWM:").unwrap_or(0) << 10,
    })
}

/// User and system ticks of a `stat` line: fields 14 and 15, counted after the command's closing bracket.
fn ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The number behind a label at the start of a line.
fn number(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The value of a metric without labels.
fn metric(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A gauge of bytes as the whole number it is.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and a gauge of bytes is whole"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_hold_brackets_and_spaces() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 100 1000 10";
        assert_eq!(ticks(stat), Some(300.0));
    }

    #[test]
    fn this_process_costs_something() {
        let cost = process(std::process::id()).unwrap();
        assert!(cost.resident_bytes > 0 && cost.resident_peak_bytes >= cost.resident_bytes);
    }

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let page =
            "# HELP process_cpu_seconds_total x\nprocess_cpu_seconds_total_more 9\nprocess_cpu_seconds_total 1.5\n";
        assert_eq!(metric(page, "process_cpu_seconds_total"), Some(1.5));
    }
}
