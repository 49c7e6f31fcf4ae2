//! What passed through a connection so far, for the task that watches over it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What passed so far, as it lay on the wire.
#[derive(Default)]
pub(in crate::net) struct Progress {
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    /// Whether the sender waits for the kernel.
    pub(super) sending: AtomicBool,
    /// Whether a pong waits to be sent: one is enough.
    pub(super) pong: AtomicBool,
}

impl Progress {
    /// So many bytes came.
    pub(in crate::net) fn received(&self, count: usize) {
        self.received.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The kernel took so many bytes.
    pub(in crate::net) fn sent(&self, count: usize) {
        self.sent.fetch_add(count as u64, Ordering::Relaxed);
    }
}
