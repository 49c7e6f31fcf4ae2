//! Latches: which commands may be evaluated against which rows at once.
//!
//! Promises: exclusive holders are alone; waiters are served in the order they came, so none starves;
//! a waiter that gives up leaves no trace. Latches of one command are taken in one order by all.
//! Must not know: what a latch protects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use couronne_metadata::latch::{LatchKey, LatchMode};
use parking_lot::Mutex;
use tokio::sync::oneshot;

struct Waiter {
    mode: LatchMode,
    grant: oneshot::Sender<LatchGuard>,
}

#[derive(Default)]
struct Slot {
    shared: usize,
    exclusive: bool,
    waiting: VecDeque<Waiter>,
}

impl Slot {
    const fn admits(&self, mode: LatchMode) -> bool {
        match mode {
            LatchMode::Shared => !self.exclusive,
            LatchMode::Exclusive => !self.exclusive && self.shared == 0,
        }
    }

    const fn enter(&mut self, mode: LatchMode) {
        match mode {
            LatchMode::Shared => self.shared += 1,
            LatchMode::Exclusive => self.exclusive = true,
        }
    }

    const fn leave(&mut self, mode: LatchMode) {
        match mode {
            LatchMode::Shared => self.shared = self.shared.saturating_sub(1),
            LatchMode::Exclusive => self.exclusive = false,
        }
    }
}

/// The latches of one range at its leader.
#[derive(Default)]
pub(crate) struct Latches {
    slots: Mutex<BTreeMap<LatchKey, Slot>>,
}

/// A latch held; dropping it lets the next in.
pub(crate) struct LatchGuard {
    latches: Arc<Latches>,
    key: LatchKey,
    mode: LatchMode,
}

impl Latches {
    /// Takes the latches one after another, in the order given (the order all commands use).
    pub(crate) async fn take(self: &Arc<Self>, wanted: Vec<(LatchKey, LatchMode)>) -> Vec<LatchGuard> {
        let mut held = Vec::with_capacity(wanted.len());
        for (key, mode) in wanted {
            match self.enter(&key, mode) {
                Ok(guard) => held.push(guard),
                // The sender lives in the slot until it grants; it is never dropped unused.
                Err(granted) => held.extend(granted.await),
            }
        }
        held
    }

    fn enter(self: &Arc<Self>, key: &LatchKey, mode: LatchMode) -> Result<LatchGuard, oneshot::Receiver<LatchGuard>> {
        let mut slots = self.slots.lock();
        let slot = entry(&mut slots, key);
        if slot.waiting.is_empty() && slot.admits(mode) {
            slot.enter(mode);
            return Ok(LatchGuard { latches: Arc::clone(self), key: key.clone(), mode });
        }
        let (grant, granted) = oneshot::channel();
        slot.waiting.push_back(Waiter { mode, grant });
        Err(granted)
    }

    fn leave(self: &Arc<Self>, key: &LatchKey, mode: LatchMode) {
        let mut admitted = Vec::new();
        {
            let mut slots = self.slots.lock();
            let Some(slot) = slots.get_mut(key) else { return };
            slot.leave(mode);
            while let Some(next) = slot.waiting.front() {
                if next.grant.is_closed() {
                    slot.waiting.pop_front();
                    continue;
                }
                if !slot.admits(next.mode) {
                    break;
                }
                let Some(waiter) = slot.waiting.pop_front() else { break };
                slot.enter(waiter.mode);
                admitted.push(waiter);
            }
            if slot.shared == 0 && !slot.exclusive && slot.waiting.is_empty() {
                slots.remove(key);
            }
        }
        for Waiter { mode, grant } in admitted {
            let guard = LatchGuard { latches: Arc::clone(self), key: key.clone(), mode };
            // If the waiter has just given up, the guard comes back and is dropped: the next enters.
            drop(grant.send(guard));
        }
    }
}

/// The slot of a key, made if absent; the key is cloned only then.
fn entry<'a, K: Ord + Clone, V: Default>(map: &'a mut BTreeMap<K, V>, key: &K) -> &'a mut V {
    if !map.contains_key(key) {
        map.insert(key.clone(), V::default());
    }
    map.entry(key.clone()).or_default()
}

impl Drop for LatchGuard {
    fn drop(&mut self) {
        self.latches.leave(&self.key, self.mode);
    }
}

#[cfg(test)]
mod tests {
    use couronne_metadata::ids::BucketId;
    use futures_util::FutureExt;

    use super::*;

    fn rules(mode: LatchMode) -> Vec<(LatchKey, LatchMode)> {
        vec![(LatchKey::Rules(BucketId::SYSTEM), mode)]
    }

    #[test]
    fn waiters_enter_in_order_and_leave_no_trace() {
        let latches = Arc::new(Latches::default());
        let shared = latches.take(rules(LatchMode::Shared)).now_or_never().unwrap();
        let also = latches.take(rules(LatchMode::Shared)).now_or_never().unwrap();
        let mut alone = Box::pin(latches.take(rules(LatchMode::Exclusive)));
        assert!(alone.as_mut().now_or_never().is_none());
        // Behind a waiting exclusive one, so that it is not starved.
        let mut late = Box::pin(latches.take(rules(LatchMode::Shared)));
        assert!(late.as_mut().now_or_never().is_none());
        drop(shared);
        assert!(alone.as_mut().now_or_never().is_none());
        drop(also);
        let alone = alone.now_or_never().unwrap();
        assert!(late.as_mut().now_or_never().is_none());
        drop(alone);
        drop(late.now_or_never().unwrap());
        assert!(latches.slots.lock().is_empty());
    }

    #[test]
    fn a_waiter_that_gives_up_does_not_block() {
        let latches = Arc::new(Latches::default());
        let first = latches.take(rules(LatchMode::Exclusive)).now_or_never().unwrap();
        let mut gone = Box::pin(latches.take(rules(LatchMode::Exclusive)));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut second = Box::pin(latches.take(rules(LatchMode::Exclusive)));
        assert!(second.as_mut().now_or_never().is_none());
        drop(gone);
        drop(first);
        assert_eq!(second.now_or_never().unwrap().len(), 1);
        assert!(latches.slots.lock().is_empty());
    }
}
