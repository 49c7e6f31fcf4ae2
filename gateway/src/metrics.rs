//! What is counted and timed: requests by operation and outcome, bytes, seconds per stage.
//!
//! Promises: labels come from closed sets (operations, stages, names of errors), never from what clients sent.
//! Must not know: faces, how the numbers are served.

mod process;

use std::time::Duration;

use prometheus::{CounterVec, Encoder, IntCounterVec, Opts, Registry, TextEncoder};

/// What is counted of a request that ended. All names are of closed sets.
pub struct Ended<'a> {
    /// The operation's name; `none` if the request meant none.
    pub operation: &'static str,
    /// The name of its error; `OK` if there was none.
    pub code: &'static str,
    /// Bytes of its body, as framed.
    pub received_bytes: u64,
    /// Bytes of the answer's body.
    pub sent_bytes: u64,
    /// How long each stage took, by the stage's name.
    pub stages: &'a mut dyn Iterator<Item = (&'static str, Duration)>,
}

/// All metrics of a gateway.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    received_bytes: IntCounterVec,
    sent_bytes: IntCounterVec,
    stage_seconds: CounterVec,
}

impl Metrics {
    /// Makes the metrics and registers them. Fails only if two have one name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "couronne_requests_total",
                    "Requests answered, by operation and code of the error (OK if none).",
                ),
                &["operation", "code"],
            )?,
            received_bytes: IntCounterVec::new(
                Opts::new("couronne_received_bytes_total", "Bytes of request bodies, as framed, by operation."),
                &["operation"],
            )?,
            sent_bytes: IntCounterVec::new(
                Opts::new("couronne_sent_bytes_total", "Bytes of response bodies, by operation."),
                &["operation"],
            )?,
            stage_seconds: CounterVec::new(
                Opts::new("couronne_stage_seconds_total", "Wall seconds spent in each stage, by operation."),
                &["operation", "stage"],
            )?,
            registry,
        };
        metrics.registry.register(Box::new(process::Process::new()?))?;
        metrics.registry.register(Box::new(metrics.requests.clone()))?;
        metrics.registry.register(Box::new(metrics.received_bytes.clone()))?;
        metrics.registry.register(Box::new(metrics.sent_bytes.clone()))?;
        metrics.registry.register(Box::new(metrics.stage_seconds.clone()))?;
        Ok(metrics)
    }

    /// Where further metrics of the process may be registered.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All numbers, in Prometheus' text format.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// A request ended.
    pub fn count(&self, ended: Ended<'_>) {
        let Ended { operation, code, received_bytes, sent_bytes, stages } = ended;
        self.requests.with_label_values(&[operation, code]).inc();
        self.received_bytes.with_label_values(&[operation]).inc_by(received_bytes);
        self.sent_bytes.with_label_values(&[operation]).inc_by(sent_bytes);
        for (stage, spent) in stages {
            self.stage_seconds.with_label_values(&[operation, stage]).inc_by(spent.as_secs_f64());
        }
    }
}
