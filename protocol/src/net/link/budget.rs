//! Budgets: how many calls (or connections) there may be, and how many bytes they may hold; of one holder, or shared.
//!
//! Promises: of a shared budget nobody can take more than a half, nor more than is left for the others then: however much
//! some holders hold, and keep, the next one gets as much as it would leave. What a holder's answers exceed its half
//! by is missing to nobody else.
//! Must not know: who the holders are.

use std::collections::BTreeMap;
use std::sync::Arc;

use couronne_ring::NodeId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The holder of a budget that is not shared.
pub(in crate::net) const ALONE: NodeId = NodeId(0);

/// A bound on calls and their bytes.
pub(in crate::net) struct Budget {
    max: Amount,
    /// How much one holder may hold at most of a budget that is shared.
    share_max: Option<Amount>,
    used: Mutex<BTreeMap<NodeId, Amount>>,
    idle: Notify,
}

/// So many calls, and so many bytes of them.
#[derive(Clone, Copy, Default)]
struct Amount {
    calls: usize,
    bytes: usize,
}

impl Amount {
    const fn plus(self, other: Self) -> Self {
        Self { calls: self.calls.saturating_add(other.calls), bytes: self.bytes.saturating_add(other.bytes) }
    }

    const fn minus(self, other: Self) -> Self {
        Self { calls: self.calls.saturating_sub(other.calls), bytes: self.bytes.saturating_sub(other.bytes) }
    }

    fn least(self, other: Self) -> Self {
        Self { calls: self.calls.min(other.calls), bytes: self.bytes.min(other.bytes) }
    }
}

/// What one call takes of a budget, until it is dropped.
pub(in crate::net) struct CallPermit {
    budget: Arc<Budget>,
    holder: NodeId,
    bytes: usize,
}

impl Budget {
    /// A budget of one holder.
    pub(in crate::net) fn new(calls_max: usize, bytes_max: usize) -> Arc<Self> {
        let max = Amount { calls: calls_max, bytes: bytes_max };
        Arc::new(Self { max, share_max: None, used: Mutex::default(), idle: Notify::new() })
    }

    /// A budget that holders share, each with so many calls at most.
    pub(in crate::net) fn shared(calls_max: usize, bytes_max: usize, holder_calls_max: usize) -> Arc<Self> {
        let max = Amount { calls: calls_max, bytes: bytes_max };
        let share_max = Amount { calls: calls_max.div_ceil(2).min(holder_calls_max), bytes: bytes_max.div_ceil(2) };
        Arc::new(Self { max, share_max: Some(share_max), used: Mutex::default(), idle: Notify::new() })
    }

    /// Takes what a call needs; `None` if that would be too much. A call alone always fits: its size
    /// has a bound of its own.
    pub(in crate::net) fn take(self: &Arc<Self>, holder: NodeId, bytes: usize) -> Option<CallPermit> {
        let mut used = self.used.lock();
        let own = used.get(&holder).copied().unwrap_or_default();
        let call = Amount { calls: 1, bytes };
        let (after, room) = (own.plus(call), self.room(&used, call));
        let is_alone = used.values().all(|held| held.bytes == 0);
        if after.calls > room.calls || (after.bytes > room.bytes && !is_alone) {
            return None;
        }
        used.insert(holder, after);
        Some(CallPermit { budget: self.clone(), holder, bytes })
    }

    /// How much a holder may hold that takes a call: as much as it leaves.
    fn room(&self, used: &BTreeMap<NodeId, Amount>, call: Amount) -> Amount {
        let Some(share_max) = self.share_max else { return self.max };
        let left = used.values().fold(self.max, |left, held| left.minus(held.least(share_max)));
        left.minus(call).least(share_max)
    }

    /// Calls under way.
    pub(in crate::net) fn calls(&self) -> usize {
        self.used.lock().values().fold(0, |calls, held| calls.saturating_add(held.calls))
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
        if let Some(held) = self.budget.used.lock().get_mut(&self.holder) {
            *held = held.plus(Amount { calls: 0, bytes });
        }
    }
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        let mut used = self.budget.used.lock();
        if let Some(held) = used.get_mut(&self.holder) {
            *held = held.minus(Amount { calls: 1, bytes: self.bytes });
            if held.calls == 0 {
                used.remove(&self.holder);
            }
        }
        if used.is_empty() {
            self.budget.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId(1);

    #[test]
    fn takes_up_to_its_bounds_and_gives_back() {
        let budget = Budget::new(3, 100);
        let first = budget.take(ONE, 60).unwrap();
        assert!(budget.take(ONE, 41).is_none());
        let mut second = budget.take(ONE, 40).unwrap();
        assert!(budget.take(ONE, 1).is_none());
        let third = budget.take(ONE, 0).unwrap();
        assert!(budget.take(ONE, 0).is_none(), "three calls are the most");
        drop(third);
        second.grow(1000);
        drop(first);
        assert!(budget.take(ONE, 1).is_none(), "the answer has not left yet");
        drop(second);
        assert_eq!(budget.calls(), 0);
        let alone = budget.take(ONE, 5000).unwrap();
        assert!(budget.take(ONE, 1).is_none());
        drop(alone);
        assert!(budget.take(ONE, 100).is_some());
    }

    #[test]
    fn however_much_some_hold_the_next_gets_a_share() {
        let budget = Budget::shared(1000, 1 << 20, 1000);
        let mut held = Vec::new();
        for greedy in 1..=4 {
            // The large ones first, then what still fits beside them.
            let before = held.len();
            for bytes in [1 << 18, 1 << 16, 1 << 12, 256, 16] {
                held.extend(std::iter::from_fn(|| budget.take(NodeId(greedy), bytes)));
            }
            assert!(held.len() > before, "holder {greedy}");
        }
        assert!(budget.take(NodeId(5), 1 << 14).is_some());
        assert!(budget.take(NodeId(1), 1 << 14).is_none());
    }

    #[test]
    fn what_the_answers_of_one_exceed_its_half_by_is_missing_to_nobody() {
        let budget = Budget::shared(10, 100, 10);
        let mut first = budget.take(ONE, 1).unwrap();
        first.grow(10_000);
        assert!(budget.take(ONE, 1).is_none());
        assert!(budget.take(NodeId(2), 26).is_none(), "more than it would leave");
        assert!(budget.take(NodeId(2), 25).is_some());
    }
}
