//! On whose behalf a task works: the word that cuts its request, and its peer.
//!
//! The server of a request carries it out within [`OnBehalf::scope`]; what takes shares for the request finds both with
//! [`OnBehalf::of_task`], so that no verb between the two has to pass them on.
//! Must not know: what is shared.

use super::{Cut, Holder};

tokio::task_local! {
    static OF_TASK: OnBehalf;
}

/// On whose behalf a task works.
#[derive(Clone, Debug)]
pub struct OnBehalf {
    /// The word that the request is cut.
    pub cut: Cut,
    /// The holder that the request counts for until it is authenticated.
    pub peer: Holder,
}

impl OnBehalf {
    /// Carries out a request on this behalf.
    pub async fn scope<T>(self, request: impl Future<Output = T>) -> T {
        OF_TASK.scope(self, request).await
    }

    /// On whose behalf this task works. If no request is carried out: on the process's own, which nobody cuts.
    pub fn of_task() -> Self {
        OF_TASK.try_with(Self::clone).unwrap_or_else(|_| Self { cut: Cut::default(), peer: Holder::new("", "") })
    }
}
