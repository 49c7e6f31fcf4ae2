//! The flusher: makes replicas' rows durable, so that logs can be purged and restarts stay short.
//!
//! Promises: a store that holds its drive's log back is flushed within about a second; one that holds
//! much in memory, soon; one that holds anything, after a while. A drive that hangs holds up no other.
//! Must not know: what rows are.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::settings::DutySettings;
use super::{Duty, DutyContext, count};
use crate::consensus::types::ReplicaId;
use crate::drives::MountedDrive;

/// How long the flush of one store is waited for; it goes on if it takes longer, and no other drive waits for it.
const DRIVE_WAIT: Duration = Duration::from_secs(10);

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

    /// Every replica whose store should be flushed: those of a drive one after the other, the drives each for itself.
    async fn round(&mut self, context: &DutyContext) {
        let wells = context.drives.mounted().filter(|drive| drive.is_well());
        join_all(wells.map(|drive| async move { flush_drive(context, &drive).await })).await;
    }
}

/// Flushes what should be flushed of a drive, unless the drive hangs meanwhile: its turn comes again.
async fn flush_drive(context: &DutyContext, drive: &MountedDrive) {
    let laggards: BTreeSet<ReplicaId> = drive.log.laggards().into_iter().collect();
    for server in context.replicas.all_servers().into_iter().filter(|server| server.drive() == drive.id) {
        let lags = laggards.contains(&server.replica());
        if !lags && server.state_machine().unflushed_bytes() < context.settings.flush_bytes {
            continue;
        }
        match timeout(DRIVE_WAIT, server.consensus().checkpoint(lags)).await {
            Ok(Ok(())) => count(&context.counters.flushes, 1),
            Ok(Err(error)) => tracing::warn!(replica = %server.replica(), %error, "replica was not flushed"),
            Err(_) => {
                tracing::warn!(drive = drive.name, "flushing a drive goes on later");
                return;
            }
        }
    }
}
