//! What is counted and timed: requests by operation and outcome, bytes, seconds per stage.
//!
//! Promises: labels come from closed sets (operations, stages, S3 codes), never from what clients sent.
//! Must not know: how the numbers are served.

mod process;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Clock;
use http::request::Parts;
use http::{Method, StatusCode};
use prometheus::{CounterVec, Encoder, IntCounterVec, Opts, Registry, TextEncoder};

use crate::identity::Credential;
use crate::pipeline::Gateway;
use crate::request::RequestId;
use crate::response::StreamError;
use crate::s3::error::Code;
use crate::s3::operation::Operation;

/// The stages of the pipeline: span names and metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Path, query, headers, route.
    Parse,
    /// Who asks.
    Authenticate,
    /// Which buckets.
    Resolve,
    /// Whether they may.
    Authorize,
    /// The operation itself, its request body included.
    Execute,
    /// Sending the answer, its body included.
    Respond,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 6] =
        [Self::Parse, Self::Authenticate, Self::Resolve, Self::Authorize, Self::Execute, Self::Respond];

    /// The stage's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Authenticate => "authenticate",
            Self::Resolve => "resolve",
            Self::Authorize => "authorize",
            Self::Execute => "execute",
            Self::Respond => "respond",
        }
    }
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
                Opts::new("couronne_requests_total", "Requests answered, by operation and S3 code (OK if none)."),
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

    fn count(&self, trace: &Trace) {
        let operation = trace.operation.map_or("none", Operation::name);
        let code = trace.code.map_or("OK", Code::name);
        self.requests.with_label_values(&[operation, code]).inc();
        self.received_bytes.with_label_values(&[operation]).inc_by(trace.received_bytes);
        self.sent_bytes.with_label_values(&[operation]).inc_by(trace.sent_bytes);
        for (stage, spent) in &trace.stages {
            self.stage_seconds.with_label_values(&[operation, stage.name()]).inc_by(spent.as_secs_f64());
        }
    }
}

/// What is known of one request so far. When it is dropped it is counted and logged: one that its
/// client gave up, too.
pub struct Trace {
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    began: Duration,
    since: Duration,
    stages: Vec<(Stage, Duration)>,
    id: RequestId,
    peer: SocketAddr,
    method: Method,
    /// Without the query: a presigned URL's query is a credential.
    path: Box<str>,
    operation: Option<Operation>,
    user: Option<(Box<str>, Box<str>)>,
    status: Option<StatusCode>,
    code: Option<Code>,
    broke_off: bool,
    /// Bytes of the request's body, as framed.
    pub received_bytes: u64,
    /// Bytes of the response's body.
    pub sent_bytes: u64,
}

impl Trace {
    /// Begins a request.
    pub fn new(gateway: &Gateway, id: &RequestId, head: &Parts, peer: SocketAddr) -> Self {
        let clock = gateway.env.clock.clone();
        let began = clock.steady();
        Self {
            metrics: gateway.metrics.clone(),
            clock,
            began,
            since: began,
            stages: Vec::with_capacity(Stage::ALL.len()),
            id: id.clone(),
            peer,
            method: head.method.clone(),
            path: head.uri.path().into(),
            operation: None,
            user: None,
            status: None,
            code: None,
            broke_off: false,
            received_bytes: 0,
            sent_bytes: 0,
        }
    }

    /// A stage ended now.
    pub fn passed(&mut self, stage: Stage) {
        let now = self.clock.steady();
        self.stages.push((stage, now.saturating_sub(self.since)));
        self.since = now;
    }

    /// What the request means.
    pub const fn operation(&mut self, operation: Operation) {
        self.operation = Some(operation);
    }

    /// Who asks.
    pub fn caller(&mut self, caller: &Credential) {
        self.user = Some((caller.account_name.clone(), caller.user.clone()));
    }

    /// It ends with an error.
    pub const fn failed(&mut self, code: Code) {
        self.code = Some(code);
    }

    /// Its answer has this status.
    pub const fn status(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// Its answer could not be sent whole.
    pub fn broke_off(&mut self, error: &StreamError) {
        self.broke_off = true;
        tracing::error!(id = %self.id, %error, "an answer broke off");
    }

    fn log(&self) {
        let (account, user) = self.user.as_ref().map_or(("", ""), |(account, user)| (account, user));
        tracing::info!(
            target: "couronne::access",
            id = %self.id,
            peer = %self.peer,
            method = %self.method,
            path = &*self.path,
            operation = self.operation.map_or("", Operation::name),
            account,
            user,
            status = self.status.map_or(0, |status| status.as_u16()),
            code = self.code.map_or("", Code::name),
            broke_off = self.broke_off,
            received_bytes = self.received_bytes,
            sent_bytes = self.sent_bytes,
            took_us = u64::try_from(self.clock.steady().saturating_sub(self.began).as_micros()).unwrap_or(u64::MAX),
        );
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.metrics.count(self);
        self.log();
    }
}
