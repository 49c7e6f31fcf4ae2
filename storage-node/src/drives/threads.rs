//! The threads on which the calls to a drive's stores wait, and the rows that need no wait.
//!
//! A database that waits for its medium holds its thread. So rows are read at once where memory has them, and else on a
//! thread that may wait; a drive has so many of these and no more, so that one that hangs takes none from others. No
//! such call is made on a thread that runs tasks.
//! Promises: a call that was begun goes on to its end, though nobody may wait for it; until then its thread counts. A write
//! that finds no space is made again until there is some: it costs no drive.
//! Must not know: what rows mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use couronne_base::blocking::blocking;
use couronne_metadata::store::{Store, StoreError, View};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::stores::Stores;
use crate::disk::{CALL_TIME_MAX, CallWatch, PAUSE};

/// The most calls to the stores of one drive that wait for its medium at once; more wait for their turn.
const CALLS_AT_ONCE: usize = 32;

/// How long a flush, or a scan of many rows, may take.
pub(crate) const LONG_CALL_TIME_MAX: Duration = Duration::from_secs(30);

/// The threads of one drive's stores. Clones are the same.
#[derive(Clone)]
pub struct StoreThreads {
    /// The stores, which may be fakes that hang.
    stores: Option<Arc<dyn Stores>>,
    calls: CallWatch,
    permits: Arc<Semaphore>,
    /// The drive is out of service: nothing waits for space any more.
    is_ended: Arc<AtomicBool>,
}

impl Default for StoreThreads {
    fn default() -> Self {
        let permits = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        Self { stores: None, calls: CallWatch::default(), permits, is_ended: Arc::default() }
    }
}

impl StoreThreads {
    /// The threads of the stores of a drive whose calls are watched.
    pub(crate) fn watched(stores: Arc<dyn Stores>, calls: CallWatch) -> Self {
        Self { stores: Some(stores), calls, ..Self::default() }
    }

    /// Makes a call that may wait for the medium, and ought not to take longer than a moment.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_within(CALL_TIME_MAX, call).await
    }

    /// The same, for a call that ought not to take longer than `time_max`.
    pub(crate) async fn run_within<T: Send + 'static>(
        &self,
        time_max: Duration,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        // Watched from here on: what waits for a turn waits for calls that do not come back.
        let _call = self.calls.begin(time_max);
        let ended = |error: &dyn std::fmt::Display| StoreError::Failed(format!("a call ended: {error}"));
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|error| ended(&error))?;
        if let Some(stores) = &self.stores {
            stores.take_calls().await;
        }
        let called = blocking(move || {
            let _permit = permit;
            call()
        });
        called.await.map_err(|error| ended(&error))
    }

    /// Does what writes, again and again while no space is left for it: what finds none has changed nothing.
    pub(crate) async fn when_there_is_room<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        mut write: impl FnMut() -> F,
    ) -> Result<T, StoreError> {
        let mut is_told = false;
        loop {
            match write().await {
                Err(StoreError::Full) if !self.is_ended.load(Ordering::Relaxed) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!("rows of a drive wait for space");
                    }
                    sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// Ends all waiting for space.
    pub(crate) fn end(&self) {
        self.is_ended.store(true, Ordering::Relaxed);
    }

    /// Reads rows of a store: at once if memory has them all. `read` may be called twice.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        store: &Arc<dyn Store>,
        read: impl Fn(&dyn View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match read(&*store.view_in_memory()) {
            Err(StoreError::NotInMemory) => {}
            read => return read,
        }
        let store = Arc::clone(store);
        self.run(move || read(&*store.view())).await?
    }
}
