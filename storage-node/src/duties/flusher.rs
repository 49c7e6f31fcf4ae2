//! The flusher: makes replicas' rows durable, so that logs can be purged and restarts stay short.
//!
//! Promises: a store that holds its drive's log back is flushed within about a second; one that holds
//! much in memory, soon; one that holds anything, after a while.
//! Must not know: what rows are.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::count;
use crate::consensus::types::ReplicaId;
use crate::node::LocalNode;

/// One round: every replica whose store should be flushed.
pub(super) async fn round(node: Arc<LocalNode>) {
    let mut laggards: BTreeSet<ReplicaId> = BTreeSet::new();
    for slot in node.slots().filter(|slot| slot.down().is_none()) {
        laggards.extend(slot.log.laggards());
    }
    for server in node.all_servers() {
        let lags = laggards.contains(&server.replica());
        if !lags && server.machine().unflushed_bytes() < node.duties.settings.flush_bytes {
            continue;
        }
        match server.consensus().checkpoint(lags).await {
            Ok(()) => count(&node.duties.counters.flushes, 1),
            Err(error) => tracing::warn!(replica = %server.replica(), %error, "replica was not flushed"),
        }
    }
}
