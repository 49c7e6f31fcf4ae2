//! The trace: a running hash of all that happens, by which two runs of a seed are compared.
//!
//! Must not know: what happens.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;

/// The hash of a run so far, and how many events it covers. Clones are the same trace.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<TraceState>>);

#[derive(Default)]
struct TraceState {
    hasher: blake3::Hasher,
    events: u64,
    last_ms: u64,
    line: String,
    shown: bool,
}

impl Trace {
    /// A trace whose events are printed as they come: to find where two runs part.
    pub fn shown() -> Self {
        let trace = Self::default();
        trace.0.lock().shown = true;
        trace
    }

    /// Notes an event.
    #[allow(clippy::print_stderr, reason = "printed only where the events were asked for")]
    pub fn note(&self, now_ms: u64, event: fmt::Arguments<'_>) {
        let mut state = self.0.lock();
        let TraceState { hasher, events, last_ms, line, shown } = &mut *state;
        *last_ms = now_ms;
        line.clear();
        // Writing to a string does not fail.
        let _ = writeln!(line, "{now_ms} {event}");
        hasher.update(line.as_bytes());
        *events += 1;
        if *shown {
            eprint!("{line}");
        }
    }

    /// The hash so far, short enough to read.
    pub fn hash(&self) -> String {
        self.0.lock().hasher.finalize().to_hex().chars().take(16).collect()
    }

    /// The time of the last event, in milliseconds.
    pub fn last_ms(&self) -> u64 {
        self.0.lock().last_ms
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.0.lock().events
    }
}

/// A few bytes that stand for many.
pub fn digest(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    u64::from_be_bytes(bytes)
}
