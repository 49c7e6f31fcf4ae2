//! The stores of a drive: one for the shard index, one for each replica.
//!
//! Must not know: what rows mean.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Weak};

use couronne_base::watch;
use couronne_metadata::memory::MemoryStore;
use couronne_metadata::store::{Store, StoreError};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use couronne_cluster::map::ReplicaId;

/// The name of the shard index's store.
pub(super) const SHARD_INDEX: &str = "shards";

/// The name of a replica's store.
pub fn replica_store(replica: ReplicaId) -> String {
    format!("replica-{:016x}", replica.0)
}

/// Where a drive keeps its stores: one RocksDB in a server, memory in tests and simulation.
pub trait Stores: Send + Sync + 'static {
    /// Opens a store, empty if it is new.
    fn open(&self, name: &str) -> Result<Arc<dyn Store>, StoreError>;

    /// Removes a store and its rows for good; fine if there is none.
    fn remove(&self, name: &str) -> Result<(), StoreError>;

    /// Resolves once the medium takes calls: at once, but for fakes that hang.
    fn take_calls(&self) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }

    /// Lives as long as anything uses the stores: until then their place is theirs. Memory has none.
    fn in_use(&self) -> Weak<()> {
        Weak::new()
    }

    /// What was found rotten in them, if anything was: they cannot be opened, or took no writes any more at some time.
    /// Memory does not rot.
    fn rot(&self) -> Option<String> {
        None
    }

    /// Whether they can be opened, rotten or not.
    fn is_open(&self) -> bool {
        true
    }

    /// Notes durably if they take no writes any more because of rot. Whether that is so.
    fn note_sealed(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Sets them aside, and begins with none.
    fn begin_anew(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether there are some that were set aside.
    fn has_set_aside(&self) -> bool {
        false
    }

    /// Removes those that were set aside.
    fn drop_set_aside(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Stores in memory, which outlive the node that uses them as a drive's files do.
pub struct MemoryStores {
    stores: Mutex<BTreeMap<String, Arc<MemoryStore>>>,
    /// Whether calls that would wait for a medium do not come back.
    hang: watch::Sender<bool>,
}

impl Default for MemoryStores {
    fn default() -> Self {
        Self { stores: Mutex::default(), hang: watch::channel(false).0 }
    }
}

impl MemoryStores {
    /// Has calls that would wait for a medium hang, or come back again.
    pub fn set_hang(&self, hangs: bool) {
        self.hang.send_replace(hangs);
    }

    /// Loses what a crash may lose of each store's unflushed rows, chosen by `seed`.
    pub fn crash(&self, seed: u64) {
        for (number, store) in (seed..).zip(self.stores.lock().values()) {
            store.crash(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
    }
}

impl MemoryStores {
    /// Other stores that hold what a snapshot of these taken now would: what a crash leaves, chosen by `seed`.
    pub fn backup(&self, seed: u64) -> Self {
        let copies =
            self.stores.lock().iter().map(|(name, store)| (name.clone(), Arc::new(store.backup(seed)))).collect();
        Self { stores: Mutex::new(copies), ..Self::default() }
    }
}

impl Stores for MemoryStores {
    fn take_calls(&self) -> BoxFuture<'static, ()> {
        let mut hang = self.hang.subscribe();
        Box::pin(async move {
            // The fake lives as long as anything that calls it.
            let _ = hang.wait_for(|hangs| !hangs).await;
        })
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Store>, StoreError> {
        let mut stores = self.stores.lock();
        let store: Arc<MemoryStore> = Arc::clone(stores.entry(name.to_owned()).or_default());
        Ok(store)
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.stores.lock().remove(name);
        Ok(())
    }
}
