//! Turns: at most one put of a shard is under way, so that each is compared with what the one before it left.
//!
//! Promises: a turn ends when it is dropped, wherever it was taken along to; memory is that of the puts under way.
//! Must not know: what is put.

use std::collections::BTreeMap;
use std::sync::Arc;

use couronne_placement::ShardId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The shards that are being put.
#[derive(Default)]
pub(super) struct Turns {
    taken: Mutex<BTreeMap<ShardId, Arc<Notify>>>,
}

/// The turn of one put.
pub(super) struct Turn {
    turns: Arc<Turns>,
    shard: ShardId,
}

impl Turns {
    /// Waits until no other put of the shard is under way.
    pub(super) async fn take(self: &Arc<Self>, shard: ShardId) -> Turn {
        loop {
            let ended = {
                let mut taken = self.taken.lock();
                match taken.get(&shard) {
                    // Made under the lock, so that no end is missed.
                    Some(ended) => Arc::clone(ended).notified_owned(),
                    None => {
                        taken.insert(shard, Arc::default());
                        return Turn { turns: Arc::clone(self), shard };
                    }
                }
            };
            ended.await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(ended) = self.turns.taken.lock().remove(&self.shard) {
            ended.notify_waiters();
        }
    }
}
