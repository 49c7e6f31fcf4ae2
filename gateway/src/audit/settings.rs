//! What an operator may tune of the audit.

use std::time::Duration;

/// What an operator may tune of the audit.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// Whether requests that only read have events, too.
    pub reads: bool,
    /// What becomes of a request that changes something while the queue has no room for its event.
    pub on_full: OnFull,
    /// How long such a request waits for room. Milliseconds.
    pub wait_ms: u64,
    /// The queue of events that are not written yet. Bytes.
    pub queue_bytes_max: usize,
    /// How long the same lines are offered to an output that does not take them. Seconds.
    pub keep_trying_s: u64,
}

/// What becomes of a request whose event finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// It is carried out, and its event counted as lost unless there is room by its end.
    Drop,
    /// It is refused, and nothing is done.
    Refuse,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { reads: false, on_full: OnFull::Drop, wait_ms: 100, queue_bytes_max: 64 << 20, keep_trying_s: 3_600 }
    }
}

impl AuditSettings {
    /// How long a request waits for room.
    pub(super) const fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }

    /// How long the same lines are offered to an output.
    pub(super) const fn keep_trying(&self) -> Duration {
        Duration::from_secs(self.keep_trying_s)
    }
}
