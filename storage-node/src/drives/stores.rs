//! The stores of a drive: one for the shard index, one for each replica.
//!
//! Must not know: what rows mean.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use couronne_metadata::memory::MemoryStore;
use couronne_metadata::rocks::RocksDrive;
use couronne_metadata::store::{Store, StoreError};
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

    /// Lives as long as anything uses the stores: until then their place is theirs. Memory has none.
    fn in_use(&self) -> Weak<()> {
        Weak::new()
    }
}

/// The stores of a drive's RocksDB.
pub struct RocksStores {
    database: RocksDrive,
}

impl RocksStores {
    /// The stores of this database.
    pub const fn new(database: RocksDrive) -> Self {
        Self { database }
    }
}

impl Stores for RocksStores {
    fn open(&self, name: &str) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(self.database.store(name)?))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.database.drop_store(name)
    }

    fn in_use(&self) -> Weak<()> {
        self.database.in_use()
    }
}

/// Stores in memory, which outlive the node that uses them as a drive's files do.
#[derive(Default)]
pub struct MemoryStores {
    stores: Mutex<BTreeMap<String, Arc<MemoryStore>>>,
}

impl MemoryStores {
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
        Self { stores: Mutex::new(copies) }
    }
}

impl Stores for MemoryStores {
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
