//! Places for connections that nobody has vouched for yet: when all are taken, the oldest gives its place to a new one.
//!
//! What an honest process does in such a place takes milliseconds, so that it is done long before its turn to give way
//! comes; one that stays takes nothing from those that come after it.
//! Promises: a new connection gets a place at once. Must not know: what is done in a place.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// So many places.
pub(super) struct Places {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    /// The oldest first.
    places: VecDeque<(u64, oneshot::Sender<()>)>,
    next: u64,
}

/// A place, until it is dropped or given to another connection.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    lost: oneshot::Receiver<()>,
}

impl Places {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// A place for a new connection.
    pub(super) fn take(self: &Arc<Self>) -> Place {
        let (give, lost) = oneshot::channel();
        let mut taken = self.taken.lock();
        let number = taken.next;
        taken.next = number.wrapping_add(1);
        taken.places.push_back((number, give));
        if taken.places.len() > self.max {
            // What is dropped tells its holder.
            taken.places.pop_front();
        }
        Place { places: Arc::clone(self), number, lost }
    }
}

impl Place {
    /// Does something in the place; `None` if the place was lost meanwhile.
    pub(super) async fn hold<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            _ = &mut self.lost => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.lock().places.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_its_place() {
        let places = Places::new(2);
        let [mut first, mut second, mut third] = [(); 3].map(|()| places.take());
        assert_eq!(first.hold(pending::<()>()).await, None);
        assert_eq!((second.hold(ready(2)).await, third.hold(ready(3)).await), (Some(2), Some(3)));
        drop(second);
        let mut fourth = places.take();
        assert_eq!((third.hold(ready(3)).await, fourth.hold(ready(4)).await), (Some(3), Some(4)));
        drop(first);
        assert_eq!(places.taken.lock().places.len(), 2);
    }
}
