//! The word that a request is cut: said once by a pool, heard wherever the request waits.
//! Must not know: why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether a request was cut. Clones are the same word.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<Said>);

#[derive(Debug, Default)]
struct Said {
    is_cut: AtomicBool,
    heard: Notify,
}

impl Cut {
    /// Cuts the request.
    pub fn cut(&self) {
        self.0.is_cut.store(true, Ordering::Release);
        self.0.heard.notify_waiters();
    }

    /// Whether it was cut.
    pub fn is_cut(&self) -> bool {
        self.0.is_cut.load(Ordering::Acquire)
    }

    /// Waits until it is cut.
    pub async fn wait(&self) {
        loop {
            let mut heard = std::pin::pin!(self.0.heard.notified());
            // From here on no word is missed.
            heard.as_mut().enable();
            if self.is_cut() {
                return;
            }
            heard.await;
        }
    }
}
