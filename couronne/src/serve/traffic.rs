//! What is counted of the messages between processes: calls, bytes, failures and seconds, by method and
//! direction.
//!
//! Promises: labels come from closed sets (methods, directions). Must not know: what messages mean.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couronne_base::env::Clock;
use couronne_protocol::transport::{CallError, Message, Method, Peer, Rejection, Service, Transport};
use couronne_ring::NodeId;
use prometheus::{CounterVec, IntCounterVec, Opts, Registry};

use super::ServeError;

/// The counters. Clones count the same.
#[derive(Clone)]
pub(super) struct Traffic {
    calls: IntCounterVec,
    failures: IntCounterVec,
    bytes: IntCounterVec,
    seconds: CounterVec,
    clock: Arc<dyn Clock>,
}

/// Which way a call goes.
#[derive(Clone, Copy)]
enum Direction {
    /// From this process to another.
    Asked,
    /// From another process to this one.
    Answered,
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Answered => "answered",
        }
    }
}

impl Traffic {
    /// Nothing was counted yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Result<Self, ServeError> {
        let failed = |error: prometheus::Error| ServeError::Metrics(error.to_string());
        let labels = &["method", "direction"];
        let count = |name: &str, help: &str| IntCounterVec::new(Opts::new(name, help), labels).map_err(failed);
        let seconds = Opts::new("couronne_call_seconds_total", "Wall seconds of calls between processes.");
        Ok(Self {
            calls: count("couronne_calls_total", "Calls between processes, by method and direction.")?,
            failures: count("couronne_call_failures_total", "Calls that ended without an answer.")?,
            bytes: IntCounterVec::new(
                Opts::new("couronne_call_bytes_total", "Bytes of calls between processes: of questions and answers."),
                &["method", "direction", "part"],
            )
            .map_err(failed)?,
            seconds: CounterVec::new(seconds, labels).map_err(failed)?,
            clock,
        })
    }

    /// Shows the counters among a process's metrics.
    pub(super) fn register(&self, registry: &Registry) -> Result<(), ServeError> {
        let registered = [
            registry.register(Box::new(self.calls.clone())),
            registry.register(Box::new(self.failures.clone())),
            registry.register(Box::new(self.bytes.clone())),
            registry.register(Box::new(self.seconds.clone())),
        ];
        registered.into_iter().collect::<Result<(), _>>().map_err(|error| ServeError::Metrics(error.to_string()))
    }

    /// A transport whose calls are counted.
    pub(super) fn transport(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Counted { traffic: self.clone(), inner })
    }

    /// A service whose answers are counted.
    pub(super) fn service(&self, inner: Arc<dyn Service>) -> Arc<dyn Service> {
        Arc::new(Counted { traffic: self.clone(), inner })
    }

    fn begin(&self, direction: Direction, method: Method, question: &Message) -> Call<'_> {
        let labels = [method.name(), direction.name()];
        self.bytes.with_label_values(&[labels[0], labels[1], "question"]).inc_by(len(question));
        Call { traffic: self, labels, began: self.clock.steady(), answered: false }
    }
}

/// A call under way: counted when it ends, be it that its caller no longer waits.
struct Call<'a> {
    traffic: &'a Traffic,
    labels: [&'static str; 2],
    began: Duration,
    answered: bool,
}

impl Call<'_> {
    fn end<E>(mut self, answer: &Result<Message, E>) {
        let [method, direction] = self.labels;
        if let Ok(message) = answer {
            self.answered = true;
            self.traffic.bytes.with_label_values(&[method, direction, "answer"]).inc_by(len(message));
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let took = self.traffic.clock.steady().saturating_sub(self.began);
        self.traffic.calls.with_label_values(&self.labels).inc();
        self.traffic.seconds.with_label_values(&self.labels).inc_by(took.as_secs_f64());
        if !self.answered {
            self.traffic.failures.with_label_values(&self.labels).inc();
        }
    }
}

fn len(message: &Message) -> u64 {
    u64::try_from(message.head.len().saturating_add(message.body.len())).unwrap_or(u64::MAX)
}

/// A transport or a service, counted.
struct Counted<T: ?Sized> {
    traffic: Traffic,
    inner: Arc<T>,
}

#[async_trait]
impl Transport for Counted<dyn Transport> {
    async fn call(&self, to: NodeId, method: Method, message: Message) -> Result<Message, CallError> {
        let call = self.traffic.begin(Direction::Asked, method, &message);
        let answer = self.inner.call(to, method, message).await;
        call.end(&answer);
        answer
    }
}

#[async_trait]
impl Service for Counted<dyn Service> {
    async fn serve(&self, from: Peer, method: Method, message: Message) -> Result<Message, Rejection> {
        let call = self.traffic.begin(Direction::Answered, method, &message);
        let answer = self.inner.serve(from, method, message).await;
        call.end(&answer);
        answer
    }
}
