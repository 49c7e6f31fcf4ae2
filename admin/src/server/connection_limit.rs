//! The places of connections: so many at once, and none for ever.
//!
//! Promises: a connection whose client has not taken its answer for a while ends. When no place is free, the connection
//! that has waited longest on its client gives its own to the next; one whose request is being carried out never does.
//! So clients that do not read, however many, cannot keep others out.
//! Must not know: HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long a client may take to have its answer, and to ask again.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a connection that waits for a place looks for one that waits on its client.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The places.
pub(super) struct ConnectionLimit {
    free: Arc<Semaphore>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    connections: BTreeMap<u64, Connection>,
}

struct Connection {
    /// Since when it has waited on its client; unset while a request is carried out.
    waits_since: Option<Instant>,
    /// Tells it to end.
    end: Arc<Notify>,
}

/// A connection's place, until it is dropped.
pub(super) struct ConnectionPermit {
    places: Arc<ConnectionLimit>,
    number: u64,
    end: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

/// A request is being carried out, until it is dropped.
pub(super) struct RequestUnderWay(Arc<ConnectionPermit>);

impl ConnectionLimit {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(count)), taken: Mutex::default() })
    }

    /// A place, as soon as there is one.
    pub(super) async fn take(self: &Arc<Self>) -> Option<ConnectionPermit> {
        let permit = loop {
            if self.free.available_permits() == 0 {
                self.end_longest_waiting();
            }
            let free = Arc::clone(&self.free).acquire_owned();
            if let Ok(permit) = tokio::time::timeout(LOOK_EVERY, free).await {
                break permit.ok()?;
            }
        };
        let mut taken = self.taken();
        let number = taken.next;
        taken.next = number.wrapping_add(1);
        let end = Arc::new(Notify::new());
        taken.connections.insert(number, Connection { waits_since: Some(Instant::now()), end: Arc::clone(&end) });
        drop(taken);
        Some(ConnectionPermit { places: Arc::clone(self), number, end, _permit: permit })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_longest_waiting(&self) {
        let taken = self.taken();
        let waiting = taken.connections.values().filter_map(|open| Some((open.waits_since?, &open.end)));
        if let Some((_, end)) = waiting.min_by_key(|(since, _)| *since) {
            end.notify_one();
        }
    }
}

impl ConnectionPermit {
    /// Until the connection has to end: another needs its place, or its client takes too long.
    pub(super) async fn lost(&self) {
        loop {
            let now = Instant::now();
            let deadline = self.waits_since().unwrap_or(now) + CLIENT_TIMEOUT;
            if deadline <= now {
                return;
            }
            let told = tokio::time::timeout_at(deadline, self.end.notified()).await.is_ok();
            // It may have been told while its next request came.
            if told && self.waits_since().is_some() {
                return;
            }
        }
    }

    fn waits_since(&self) -> Option<Instant> {
        self.places.taken().connections.get(&self.number).and_then(|open| open.waits_since)
    }

    /// A request begins to be carried out.
    pub(super) fn work(self: &Arc<Self>) -> RequestUnderWay {
        self.set(None);
        RequestUnderWay(Arc::clone(self))
    }

    fn set(&self, waits_since: Option<Instant>) {
        if let Some(open) = self.places.taken().connections.get_mut(&self.number) {
            open.waits_since = waits_since;
        }
    }
}

impl Drop for RequestUnderWay {
    fn drop(&mut self) {
        self.0.set(Some(Instant::now()));
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.places.taken().connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_one_that_waited_longest_gives_its_place() {
        let places = ConnectionLimit::new(2);
        let first = Arc::new(places.take().await.unwrap());
        let work = first.work();
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = places.take().await.unwrap();
        let (third, ()) = tokio::join!(places.take(), async {
            second.lost().await;
            drop(second);
        });
        assert!(third.is_some(), "the first carries a request out");
        drop(work);
        first.lost().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_too_long_loses_its_place() {
        let places = ConnectionLimit::new(2);
        let place = Arc::new(places.take().await.unwrap());
        let began = Instant::now();
        place.lost().await;
        assert_eq!(began.elapsed(), CLIENT_TIMEOUT);
        // Not while its request is carried out.
        let work = place.work();
        assert!(tokio::time::timeout(Duration::from_secs(100), place.lost()).await.is_err());
        drop(work);
        let began = Instant::now();
        place.lost().await;
        assert!(began.elapsed() <= CLIENT_TIMEOUT * 2);
    }
}
