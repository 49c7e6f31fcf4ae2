//! What a background duty is, and the loop that carries it out.
//!
//! Promises: rounds of one duty never overlap; an interval of zero turns it off.
//! Must not know: what duties do.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::DutyContext;
use super::settings::DutySettings;
use crate::rounds::{self, Rounds};

/// A duty. What one round leaves to the next stands in the implementing type, what others may see in the context.
#[async_trait]
pub(crate) trait Duty: Send + 'static {
    /// What operators call it.
    const NAME: &'static str;

    /// What an operator is told of it.
    type Status;

    /// How it gets on.
    fn status(context: &DutyContext) -> Self::Status;

    /// How long it rests between two rounds, when nothing else is said; zero turns it off.
    fn interval(settings: &DutySettings) -> Duration;

    /// How long it rests before the next round.
    fn rest(&self, context: &DutyContext) -> Duration {
        Self::interval(&context.settings)
    }

    /// Resolves when a round is wanted before the rest is over.
    async fn woken(&mut self) {
        pending().await
    }

    /// One round.
    async fn round(&mut self, context: &DutyContext);
}

/// Begins a duty, unless it is turned off.
pub(super) fn begin<D: Duty + Sync>(context: &Arc<DutyContext>, duty: D) {
    if D::interval(&context.settings).is_zero() {
        tracing::info!(duty = D::NAME, "a duty is turned off");
        return;
    }
    rounds::begin(context, &context.stop, DutyRounds(duty));
}

struct DutyRounds<D>(D);

#[async_trait]
impl<D: Duty + Sync> Rounds for DutyRounds<D> {
    type Of = DutyContext;

    fn rest(&self, context: &DutyContext) -> Duration {
        self.0.rest(context)
    }

    async fn woken(&mut self) {
        self.0.woken().await;
    }

    async fn round(&mut self, context: &Arc<DutyContext>) -> bool {
        self.0.round(context).await;
        true
    }
}
