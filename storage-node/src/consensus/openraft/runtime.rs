//! The library's time, chance and channels: tokio's, but nothing left to the process's own chance.
//!
//! Chance comes from a seed that every group is started with, handed down from task to task. Tokio's
//! watch channels wake those who wait in an order drawn at random; ours wake them in the order they
//! came, so that on one thread, under paused time, the same seed gives the same run.
//! Must not know: consensus.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use openraft::rt::deterministic_rng::DeterministicRng;
use openraft::rt::watch::{RecvError, SendError, Watch, WatchReceiver, WatchSender};
use openraft::{AsyncRuntime, OptionalSend, OptionalSync};
use openraft_rt_tokio::TokioRuntime;
use parking_lot::{MappedRwLockReadGuard, Mutex, RwLock, RwLockReadGuard};

type Base = DeterministicRng<TokioRuntime>;

/// The library's runtime.
#[derive(Debug)]
pub(super) struct Runtime(Base);

/// Runs `work`, and the tasks it begins, with chance drawn from `seed`.
pub(super) async fn seeded<T>(seed: u64, work: impl Future<Output = T>) -> T {
    Base::scope(seed, work).await
}

impl AsyncRuntime for Runtime {
    type JoinError = <Base as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <Base as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <Base as AsyncRuntime>::Sleep;
    type Instant = <Base as AsyncRuntime>::Instant;
    type TimeoutError = <Base as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <Base as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = <Base as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <Base as AsyncRuntime>::Mpsc;
    type Watch = OrderedWatch;
    type Oneshot = <Base as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <Base as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        Base::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        Base::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        Base::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Self::Timeout<R, F> {
        Base::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: Self::Instant, future: F) -> Self::Timeout<R, F> {
        Base::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        Base::is_panic(join_error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        Base::thread_rng()
    }

    fn new(threads: usize) -> Self {
        Self(Base::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }

    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Base::spawn_blocking(f)
    }
}

/// Channels of one value, whose readers wake in the order in which they were made.
#[derive(Debug)]
pub(super) struct OrderedWatch;

struct Shared<T> {
    /// The value, and how often it was changed.
    value: RwLock<(T, u64)>,
    /// Those who wait, by the number of their receiver.
    waiting: Mutex<BTreeMap<u64, Waker>>,
    senders: AtomicU64,
    receivers: AtomicU64,
    next_receiver: AtomicU64,
}

/// Writes the value.
pub(super) struct Sender<T>(Arc<Shared<T>>);

/// Reads the value.
pub(super) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    number: u64,
    seen: u64,
}

impl<T> Shared<T> {
    fn receiver(self: &Arc<Self>, seen: u64) -> Receiver<T> {
        self.receivers.fetch_add(1, Ordering::SeqCst);
        let number = self.next_receiver.fetch_add(1, Ordering::SeqCst);
        Receiver { shared: Arc::clone(self), number, seen }
    }

    /// Wakes all that wait. Called after the change, so that whoever comes to wait later sees it.
    fn wake(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.into_values().for_each(Waker::wake);
    }
}

impl Watch for OrderedWatch {
    type Sender<T: OptionalSend + OptionalSync> = Sender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = Receiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = MappedRwLockReadGuard<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(init: T) -> (Sender<T>, Receiver<T>) {
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

impl<T: OptionalSend + OptionalSync> WatchSender<OrderedWatch, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.0.receivers.load(Ordering::SeqCst) == 0 {
            return Err(SendError(value));
        }
        self.send_if_modified(|old| {
            *old = value;
            true
        });
        Ok(())
    }

    fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
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

    fn borrow_watched(&self) -> MappedRwLockReadGuard<'_, T> {
        RwLockReadGuard::map(self.0.value.read(), |value| &value.0)
    }

    fn subscribe(&self) -> Receiver<T> {
        let seen = self.0.value.read().1;
        self.0.receiver(seen)
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<OrderedWatch, T> for Receiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        poll_fn(|context| {
            // Held over the look at the value: a change is either seen, or wakes who is entered here.
            let mut waiting = self.shared.waiting.lock();
            let version = self.shared.value.read().1;
            if version != self.seen {
                self.seen = version;
                return Poll::Ready(Ok(()));
            }
            if self.shared.senders.load(Ordering::SeqCst) == 0 {
                return Poll::Ready(Err(RecvError(())));
            }
            waiting.insert(self.number, context.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn borrow_watched(&self) -> MappedRwLockReadGuard<'_, T> {
        RwLockReadGuard::map(self.shared.value.read(), |value| &value.0)
    }

    fn borrow_and_update(&mut self) -> MappedRwLockReadGuard<'_, T> {
        let value = self.shared.value.read();
        self.seen = value.1;
        RwLockReadGuard::map(value, |value| &value.0)
    }
}
