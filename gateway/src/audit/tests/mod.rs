//! The audit by itself: lines, the file that rotates, receivers that are slow or dead.

mod file;
mod lines;
mod receivers;

use std::path::PathBuf;
use std::time::Duration;

use couronne_base::env::Env;
use prometheus::{Registry, TextEncoder};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{Audit, AuditFile, AuditOrder, AuditOutput, AuditSettings, AuditWriter};

/// An audit that writes to a file.
pub(crate) struct Audited {
    pub(crate) audit: Audit,
    writer: AuditWriter,
    registry: Registry,
    folder: TempDir,
}

impl Audited {
    pub(crate) fn start(settings: AuditSettings, env: Env) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = AuditFile::open(&folder.path().join("audit.log"), 1 << 30, 1).unwrap();
        let registry = Registry::new();
        let (audit, writer) = Audit::start(settings, AuditOutput::File(file), env, &registry).unwrap();
        Self { audit, writer, registry, folder }
    }

    /// The events so far, as soon as they are so many.
    pub(crate) async fn events(&self, count: usize) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let events = parsed(&text(&self.path()));
            if events.len() >= count {
                return events;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{} of {count} events: {events:#?}", events.len());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// All events, and what was written, once all is written.
    pub(crate) async fn end(self) -> (Vec<Value>, String) {
        let path = self.path();
        self.writer.close().await;
        let text = text(&path);
        (parsed(&text), text)
    }

    pub(crate) fn metrics(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }
}

/// Each line, which is one object.
fn parsed(text: &str) -> Vec<Value> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[allow(clippy::disallowed_methods, reason = "the test reads what was written")]
fn text(path: &std::path::Path) -> String {
    String::from_utf8(std::fs::read(path).unwrap()).unwrap()
}

/// An order whose path has a number.
fn order(audit: &Audit, number: usize) {
    let path = format!("/admin/{number}");
    audit.order(
        None,
        &AuditOrder {
            operation: Some("DeleteUser"),
            credential: "the admin token",
            peer: "192.0.2.1:7".parse().unwrap(),
            method: "DELETE",
            path: &path,
            named: &[],
            status: Some(204),
            code: None,
            took_us: 5,
        },
    );
}

/// The numbers of orders.
fn numbers(events: &[Value]) -> Vec<usize> {
    let of = |event: &Value| event["what"]["resource"].as_str()?.strip_prefix("/admin/")?.parse().ok();
    events.iter().filter_map(of).collect()
}
