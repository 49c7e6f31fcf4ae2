//! The one loop of background work: a rest, which something may cut short, then a round, again and again.
//!
//! Promises: rounds of one kind never overlap; they end with the node, a round under way too, and do not keep alive
//! what they are about.
//! Must not know: what a round does.

use std::future::pending;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use crate::stop::{StopSignal, Stopped};

/// What is done in rounds. What one round leaves to the next stands in the implementing type.
#[async_trait]
pub(crate) trait Rounds: Send + 'static {
    /// What the rounds are about: they end when it is dropped.
    type Of: Send + Sync + 'static;

    /// How long to rest before the next round.
    fn rest(&self, of: &Self::Of) -> Duration;

    /// Resolves when a round is wanted before the rest is over.
    async fn woken(&mut self) {
        pending().await
    }

    /// One round; no further one follows if it returns `false`.
    async fn round(&mut self, of: &Arc<Self::Of>) -> bool;
}

/// Begins rounds in a task of their own.
pub(crate) fn begin<R: Rounds>(of: &Arc<R::Of>, stop: &StopSignal, rounds: R) {
    tokio::spawn(run(Arc::downgrade(of), stop.watch(), rounds));
}

async fn run<R: Rounds>(of: Weak<R::Of>, mut stopped: Stopped, mut rounds: R) {
    loop {
        let Some(rest) = of.upgrade().map(|of| rounds.rest(&of)) else { return };
        tokio::select! {
            biased;
            () = stopped.wait() => return,
            () = sleep(rest) => {}
            () = rounds.woken() => {}
        }
        let Some(of) = of.upgrade() else { return };
        tokio::select! {
            biased;
            () = stopped.wait() => return,
            goes_on = rounds.round(&of) => if !goes_on { return },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::sync::Notify;

    use super::*;

    struct Counting(Arc<Notify>);

    #[async_trait]
    impl Rounds for Counting {
        type Of = AtomicU64;

        fn rest(&self, _: &AtomicU64) -> Duration {
            Duration::from_secs(10)
        }

        async fn woken(&mut self) {
            self.0.notified().await;
        }

        async fn round(&mut self, of: &Arc<AtomicU64>) -> bool {
            of.fetch_add(1, Ordering::Relaxed) < 3
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_follow_rests_and_end_with_the_node() {
        let (count, stop, wake) = (Arc::new(AtomicU64::new(0)), StopSignal::new(), Arc::new(Notify::new()));
        begin(&count, &stop, Counting(Arc::clone(&wake)));
        let soon = Duration::from_secs(1);
        sleep(soon).await;
        assert_eq!(count.load(Ordering::Relaxed), 0, "the rest comes first");
        wake.notify_one();
        sleep(soon).await;
        assert_eq!(count.load(Ordering::Relaxed), 1, "it was woken");
        sleep(soon * 10).await;
        assert_eq!(count.load(Ordering::Relaxed), 2);
        stop.stop();
        sleep(soon * 100).await;
        assert_eq!((count.load(Ordering::Relaxed), Arc::strong_count(&count)), (2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_end_when_one_says_so() {
        let (count, stop) = (Arc::new(AtomicU64::new(0)), StopSignal::new());
        begin(&count, &stop, Counting(Arc::default()));
        sleep(Duration::from_secs(1000)).await;
        assert_eq!((count.load(Ordering::Relaxed), Arc::weak_count(&count)), (4, 0));
    }
}
