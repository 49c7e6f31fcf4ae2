//! Budgets: how many calls may be under way, and how many bytes they may hold.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A bound on calls and their bytes.
pub(in crate::net) struct Budget {
    calls_max: usize,
    bytes_max: usize,
    used: Mutex<Used>,
    idle: Notify,
}

#[derive(Clone, Copy, Default)]
struct Used {
    calls: usize,
    bytes: usize,
}

/// What one call takes of a budget, until it is dropped.
pub(in crate::net) struct CallPermit {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(in crate::net) fn new(calls_max: usize, bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { calls_max, bytes_max, used: Mutex::default(), idle: Notify::new() })
    }

    /// Takes what a call needs; `None` if that would be too much. A call alone always fits: its size
    /// has a bound of its own.
    pub(in crate::net) fn take(self: &Arc<Self>, bytes: usize) -> Option<CallPermit> {
        let mut used = self.used.lock();
        let bytes_after = used.bytes.saturating_add(bytes);
        if used.calls >= self.calls_max || (used.bytes > 0 && bytes_after > self.bytes_max) {
            return None;
        }
        *used = Used { calls: used.calls.saturating_add(1), bytes: bytes_after };
        Some(CallPermit { budget: self.clone(), bytes })
    }

    /// Calls under way.
    pub(in crate::net) fn calls(&self) -> usize {
        self.used.lock().calls
    }

    /// Returns once no call is under way.
    pub(in crate::net) async fn until_idle(&self) {
        loop {
            let idle = self.idle.notified();
            let mut idle = std::pin::pin!(idle);
            idle.as_mut().enable();
            if self.calls() == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl CallPermit {
    /// Counts the bytes of an answer too. It exists already, so it may exceed the bound: then no
    /// further call is taken until it has left.
    pub(in crate::net) fn grow(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        let mut used = self.budget.used.lock();
        used.bytes = used.bytes.saturating_add(bytes);
    }
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        let mut used = self.budget.used.lock();
        used.calls = used.calls.saturating_sub(1);
        used.bytes = used.bytes.saturating_sub(self.bytes);
        if used.calls == 0 {
            self.budget.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_up_to_its_bounds_and_gives_back() {
        let budget = Budget::new(3, 100);
        let first = budget.take(60).unwrap();
        assert!(budget.take(41).is_none());
        let mut second = budget.take(40).unwrap();
        assert!(budget.take(1).is_none());
        let third = budget.take(0).unwrap();
        assert!(budget.take(0).is_none(), "three calls are the most");
        drop(third);
        second.grow(1000);
        drop(first);
        assert!(budget.take(1).is_none(), "the answer has not left yet");
        drop(second);
        assert_eq!(budget.calls(), 0);
        let alone = budget.take(5000).unwrap();
        assert!(budget.take(1).is_none());
        drop(alone);
        assert!(budget.take(100).is_some());
    }
}
