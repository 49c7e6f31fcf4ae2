//! On whose behalf a task works: the word that cuts its request, its peer, and what the caller is known by.
//!
//! The server of a request carries it out within [`OnBehalf::scope`]; what takes shares for the request finds both with
//! [`OnBehalf::of_task`], so that no verb between the two has to pass them on.
//! Must not know: what is shared.

use std::sync::{Arc, OnceLock};

use super::{Cut, Holder};

tokio::task_local! {
    static OF_TASK: OnBehalf;
}

/// On whose behalf a task works. Clones are the same.
#[derive(Clone, Debug)]
pub struct OnBehalf {
    /// The word that the request is cut.
    pub cut: Cut,
    /// The holder that the request counts for until it is authenticated.
    pub peer: Holder,
    inner: Arc<OnceLock<Vec<Arc<str>>>>,
}

impl OnBehalf {
    /// On behalf of a request that hears `cut`, of this peer.
    pub fn new(cut: Cut, peer: Holder) -> Self {
        Self { cut, peer, inner: Arc::default() }
    }

    /// Carries out a request on this behalf.
    pub async fn scope<T>(self, request: impl Future<Output = T>) -> T {
        OF_TASK.scope(self, request).await
    }

    /// On whose behalf this task works. If no request is carried out: on the process's own, which nobody cuts.
    pub fn of_task() -> Self {
        OF_TASK.try_with(Self::clone).unwrap_or_else(|_| Self::new(Cut::default(), Holder::new::<&str>([])))
    }

    /// The caller is known: by these names a holder ends from now on. Said once.
    pub fn is_known(&self, inner: Vec<Arc<str>>) {
        let _said_before = self.inner.set(inner);
    }

    /// The holder that begins with these names, and ends with those of the caller. What is taken for a caller that stays
    /// unknown counts for its peer alone, whatever it is taken of.
    pub fn holder<N: Into<Arc<str>>>(&self, outer: impl IntoIterator<Item = N>) -> Holder {
        match self.inner.get() {
            None if !self.peer.is_nobody() => self.peer.clone(),
            inner => {
                let inner = inner.into_iter().flatten().map(Arc::clone);
                Holder::new(outer.into_iter().map(Into::into).chain(inner))
            }
        }
    }
}
