//! The library's time, rng and channels: tokio's, but nothing left to the process's own rng.
//!
//! Random numbers come from a seed that every group is started with, handed down from task to task; watch
//! channels are those of `couronne_base::watch`. So on one thread, under paused time, the same seed gives
//! the same run.
//! Must not know: consensus.

use std::future::Future;
use std::io;
use std::time::Duration;

use couronne_base::watch;
use openraft::rt::deterministic_rng::DeterministicRng;
use openraft::rt::watch::{RecvError, SendError, Watch, WatchReceiver, WatchSender};
use openraft::{AsyncRuntime, OptionalSend, OptionalSync};
use openraft_rt_tokio::TokioRuntime;
use parking_lot::MappedRwLockReadGuard;

type Base = DeterministicRng<TokioRuntime>;

/// The library's runtime.
#[derive(Debug)]
pub(super) struct Runtime(Base);

/// Runs `work`, and the tasks it begins, with random numbers drawn from `seed`.
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

/// Channels of one value.
#[derive(Debug)]
pub(super) struct OrderedWatch;

impl Watch for OrderedWatch {
    type Sender<T: OptionalSend + OptionalSync> = watch::Sender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = watch::Receiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = MappedRwLockReadGuard<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(init: T) -> (watch::Sender<T>, watch::Receiver<T>) {
        watch::channel(init)
    }
}

impl<T: OptionalSend + OptionalSync> WatchSender<OrderedWatch, T> for watch::Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        if !self.is_watched() {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
        Self::send_if_modified(self, modify)
    }

    fn borrow_watched(&self) -> MappedRwLockReadGuard<'_, T> {
        self.borrow()
    }

    fn subscribe(&self) -> watch::Receiver<T> {
        Self::subscribe(self)
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<OrderedWatch, T> for watch::Receiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        Self::changed(self).await.map_err(|_| RecvError(()))
    }

    fn borrow_watched(&self) -> MappedRwLockReadGuard<'_, T> {
        self.borrow()
    }

    fn borrow_and_update(&mut self) -> MappedRwLockReadGuard<'_, T> {
        Self::borrow_and_update(self)
    }
}
