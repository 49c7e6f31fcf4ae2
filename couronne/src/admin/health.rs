//! Whether the metadata can be read, as `/health` says to anybody.
//!
//! Promises: however many ask, one look is under way at a time, and one is taken in a second at most.
//! Must not know: what is looked at.

use std::time::Duration;

use couronne_admin::types::ApiError;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// For how long a look counts.
const LOOK_AGE_MAX: Duration = Duration::from_secs(1);

/// What the last look found, and when it was taken.
#[derive(Default)]
pub(super) struct Health(Mutex<Option<(Instant, Result<(), ApiError>)>>);

impl Health {
    /// What a look finds: this one, or one of a moment ago. A question that comes during a look waits for it.
    pub(super) async fn check(&self, look: impl Future<Output = Result<(), ApiError>>) -> Result<(), ApiError> {
        let mut last = self.0.lock().await;
        if let Some((_, found)) = last.as_ref().filter(|(taken, _)| taken.elapsed() < LOOK_AGE_MAX) {
            return found.clone();
        }
        let found = look.await;
        *last = Some((Instant::now(), found.clone()));
        found
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_thousand_who_ask_cost_one_look() {
        let (health, looks) = (Arc::new(Health::default()), Arc::new(AtomicU32::new(0)));
        let asking = (0..1000).map(|_| {
            let (health, looks) = (Arc::clone(&health), Arc::clone(&looks));
            tokio::spawn(async move {
                let look = async {
                    looks.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(())
                };
                health.check(look).await
            })
        });
        for asked in asking.collect::<Vec<_>>() {
            assert_eq!(asked.await.unwrap(), Ok(()));
        }
        assert_eq!(looks.load(Ordering::Relaxed), 1);
    }
}
