//! The flusher: makes replicas' rows durable, so that logs can be purged and restarts stay short.
//!
//! Promises: a store that holds its drive's log back is flushed within about a second; one that holds
//! much in memory, soon; one that holds anything, after a while.
//! Must not know: what rows are.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::settings::DutySettings;
use super::{Duty, DutyContext, count};
use crate::consensus::types::ReplicaId;

/// How often stores are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// The flusher.
pub(super) struct Flusher;

#[async_trait]
impl Duty for Flusher {
    const NAME: &'static str = "flusher";

    /// Stores flushed.
    type Status = u64;

    fn status(context: &DutyContext) -> u64 {
        context.counters().flushes
    }

    fn interval(_: &DutySettings) -> Duration {
        ROUND
    }

    /// Every replica whose store should be flushed.
    async fn round(&mut self, context: &DutyContext) {
        let mut laggards: BTreeSet<ReplicaId> = BTreeSet::new();
        for drive in context.drives.mounted().filter(|drive| drive.down().is_none()) {
            laggards.extend(drive.log.laggards());
        }
        for server in context.replicas.all_servers() {
            let lags = laggards.contains(&server.replica());
            if !lags && server.state_machine().unflushed_bytes() < context.settings.flush_bytes {
                continue;
            }
            match server.consensus().checkpoint(lags).await {
                Ok(()) => count(&context.counters.flushes, 1),
                Err(error) => tracing::warn!(replica = %server.replica(), %error, "replica was not flushed"),
            }
        }
    }
}
