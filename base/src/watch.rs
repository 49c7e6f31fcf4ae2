//! A value that others watch: they see the newest, and are woken when it changes.
//!
//! Tokio's own wakes its waiters in an order drawn at random. Here they wake in the order in which
//! their receivers were made, so that on one thread, under paused time, the same seed gives the same run.
//! Must not know: what is watched.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

use parking_lot::{MappedRwLockReadGuard, Mutex, RwLock, RwLockReadGuard};
use thiserror::Error;

/// All senders are gone, and the newest value was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("nobody changes it any more")]
pub struct Closed;

struct Shared<T> {
    /// The value, and how often it was changed.
    value: RwLock<(T, u64)>,
    /// The waiters, by the number of their receiver.
    waiting: Mutex<BTreeMap<u64, Waker>>,
    senders: AtomicU64,
    receivers: AtomicU64,
    next_receiver: AtomicU64,
}

/// Changes the value.
pub struct Sender<T>(Arc<Shared<T>>);

/// Watches the value.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    number: u64,
    seen: u64,
}

/// A value to be watched, which begins as `init`.
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        value: RwLock::new((init, 0)),
        waiting: Mutex::default(),
        senders: AtomicU64::new(1),
        receivers: AtomicU64::new(0),
        next_receiver: AtomicU64::new(0),
    });
    let receiver = shared.receiver(0);
    (Sender(shared), receiver)
}

impl<T> Shared<T> {
    fn receiver(self: &Arc<Self>, seen: u64) -> Receiver<T> {
        self.receivers.fetch_add(1, Ordering::SeqCst);
        let number = self.next_receiver.fetch_add(1, Ordering::SeqCst);
        Receiver { shared: Arc::clone(self), number, seen }
    }

    /// Wakes all that wait. Called after the change, so that a later waiter sees it.
    fn wake(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.into_values().for_each(Waker::wake);
    }

    fn borrow(&self) -> MappedRwLockReadGuard<'_, T> {
        RwLockReadGuard::map(self.value.read(), |value| &value.0)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.wake();
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.receiver(self.seen)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receivers.fetch_sub(1, Ordering::SeqCst);
        self.shared.waiting.lock().remove(&self.number);
    }
}

impl<T> Sender<T> {
    /// The value. It cannot change while the guard lives.
    pub fn borrow(&self) -> MappedRwLockReadGuard<'_, T> {
        self.0.borrow()
    }

    /// Whether anyone watches.
    pub fn is_watched(&self) -> bool {
        self.0.receivers.load(Ordering::SeqCst) > 0
    }

    /// Changes the value as `modify` does, and wakes the waiters if that says it changed.
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let modified = {
            let mut value = self.0.value.write();
            let modified = modify(&mut value.0);
            value.1 = value.1.wrapping_add(u64::from(modified));
            modified
        };
        if modified {
            self.0.wake();
        }
        modified
    }

    /// Puts another value in the place of the one there.
    pub fn send_replace(&self, value: T) {
        self.send_if_modified(|old| {
            *old = value;
            true
        });
    }

    /// Watches what comes from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        let seen = self.0.value.read().1;
        self.0.receiver(seen)
    }
}

impl<T> Receiver<T> {
    /// The value. It cannot change while the guard lives.
    pub fn borrow(&self) -> MappedRwLockReadGuard<'_, T> {
        self.shared.borrow()
    }

    /// The value, which is then seen.
    pub fn borrow_and_update(&mut self) -> MappedRwLockReadGuard<'_, T> {
        let value = self.shared.value.read();
        self.seen = value.1;
        RwLockReadGuard::map(value, |value| &value.0)
    }

    /// Waits for a value that was not seen yet, which is then seen.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        poll_fn(|context| {
            // Held over the look at the value: a change is either seen, or wakes the waiter that is entered here.
            let mut waiting = self.shared.waiting.lock();
            let version = self.shared.value.read().1;
            if version != self.seen {
                self.seen = version;
                return Poll::Ready(Ok(()));
            }
            if self.shared.senders.load(Ordering::SeqCst) == 0 {
                return Poll::Ready(Err(Closed));
            }
            waiting.insert(self.number, context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Waits for a value of which `is` is true, the one there now included.
    pub async fn wait_for(&mut self, is: impl Fn(&T) -> bool) -> Result<(), Closed> {
        while !is(&self.borrow_and_update()) {
            self.changed().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_change_is_seen_once_and_the_end_after_it() {
        let (sender, mut receiver) = channel(1);
        assert!(receiver.changed().now_or_never().is_none());
        sender.send_replace(2);
        assert!(!sender.send_if_modified(|_| false));
        drop(sender);
        assert_eq!(receiver.changed().now_or_never(), Some(Ok(())));
        assert_eq!(*receiver.borrow(), 2);
        assert_eq!(receiver.changed().now_or_never(), Some(Err(Closed)));
    }

    #[test]
    fn waiting_for_a_value_takes_the_one_there() {
        let (sender, mut receiver) = channel(false);
        assert!(receiver.wait_for(|is| *is).now_or_never().is_none());
        sender.send_replace(true);
        assert_eq!(receiver.wait_for(|is| *is).now_or_never(), Some(Ok(())));
        assert_eq!(sender.subscribe().wait_for(|is| *is).now_or_never(), Some(Ok(())));
    }
}
