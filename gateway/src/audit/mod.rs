//! The audit: one event for each request that changes something or was denied, and for each order of an operator.
//!
//! ```text
//! a request --notes--> its event --a line of JSON--> [queue, bounded in bytes] --a task--> a file, standard output, a webhook
//! ```
//!
//! A request gathers what its event says while it is served ([`Record`], [`Notes`]); when it ends, however it ends, the event is
//! written as a line into the queue. Another task takes lines from the queue and writes them to where they are kept.
//! Promises: a request that ends has one event, or is counted as lost; no request waits for a disk or a receiver longer than
//! [`AuditSettings::wait_ms`]; lines are whole JSON objects, whatever clients sent; no event has a secret. The page
//! `docs/audit.md` has the schema.
//! Must not know: faces, HTTP but for a method and a status, what is kept where.

mod event;
mod file;
mod notes;
mod order;
mod output;
mod queue;
mod record;
mod request;
mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod webhook;
mod writer;

pub use file::{AuditFile, AuditFileError};
pub use notes::{CopiedFrom, Notes, Subject};
pub use order::{AuditOrder, OrderRoom};
pub use output::AuditOutput;
pub use queue::Full;
pub use record::Record;
pub use request::{ArrivedRequest, RequestEnd};
pub use settings::{AuditSettings, OnFull};
pub use webhook::AuditWebhook;
pub use writer::AuditWriter;

use std::sync::Arc;

use couronne_base::env::Env;
use prometheus::Registry;

use queue::Queue;

/// The audit of a process. Cheap to clone; one that is off costs nothing.
#[derive(Clone, Default)]
pub struct Audit(Option<Arc<Auditing>>);

struct Auditing {
    settings: AuditSettings,
    queue: Queue,
    env: Env,
}

impl Audit {
    /// No audit.
    pub fn off() -> Self {
        Self::default()
    }

    /// An audit that writes to `output` from now on, until its writer is closed. Fails only if its metrics have the names of
    /// others. Needs a Tokio runtime.
    pub fn start(
        settings: AuditSettings,
        output: AuditOutput,
        env: Env,
        registry: &Registry,
    ) -> Result<(Self, AuditWriter), prometheus::Error> {
        let (queue, lines) = Queue::new(&settings, registry)?;
        let writer = AuditWriter::start(lines, output, Arc::clone(&env.clock), settings.keep_trying());
        Ok((Self(Some(Arc::new(Auditing { settings, queue, env }))), writer))
    }

    /// Begins the record of a request.
    pub fn begin(&self, seen: impl FnOnce() -> ArrivedRequest) -> Record {
        self.0.as_ref().map_or_else(Record::default, |auditing| Record::new(Arc::clone(auditing), seen()))
    }
}
