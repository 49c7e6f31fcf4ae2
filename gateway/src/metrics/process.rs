//! What the process itself costs: CPU seconds and resident memory, by Prometheus' own names, and what of it are buffers.
//!
//! Must not know: requests.

use couronne_base::buffer::buffers_bytes;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, IntGauge};
use rustix::time::{ClockId, clock_gettime};

/// Reads the figures whenever they are asked for.
pub(super) struct Process {
    cpu_seconds: Counter,
    resident_bytes: Gauge,
    buffer_bytes: IntGauge,
}

impl Process {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            cpu_seconds: Counter::new("process_cpu_seconds_total", "User and system CPU seconds of the process.")?,
            resident_bytes: Gauge::new("process_resident_memory_bytes", "Resident memory of the process, in bytes.")?,
            buffer_bytes: IntGauge::new(
                "couronne_buffer_bytes",
                "Memory of the buffers that chunks, shards and messages are in, filled or not, in bytes.",
            )?,
        })
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        [self.cpu_seconds.desc(), self.resident_bytes.desc(), self.buffer_bytes.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let spent = cpu_seconds() - self.cpu_seconds.get();
        if spent > 0.0 {
            self.cpu_seconds.inc_by(spent);
        }
        if let Some(bytes) = resident_bytes() {
            self.resident_bytes.set(bytes);
        }
        self.buffer_bytes.set(i64::try_from(buffers_bytes()).unwrap_or(i64::MAX));
        [self.cpu_seconds.collect(), self.resident_bytes.collect(), self.buffer_bytes.collect()].concat()
    }
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    std::time::Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
    .as_secs_f64()
}

/// The second field of `/proc/self/statm`, in pages. `None` where there is no such file.
#[allow(clippy::disallowed_methods, reason = "not a file but a question to the kernel about this process")]
fn resident_bytes() -> Option<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u32 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(f64::from(pages) * f64::from(u32::try_from(rustix::param::page_size()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_this_process() {
        let families = Process::new().unwrap().collect();
        assert_eq!(families.len(), 3);
        assert!(resident_bytes().unwrap() > 1e6);
        assert!(cpu_seconds() > 0.0);
    }
}
