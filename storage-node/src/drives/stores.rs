//! The stores of a drive: one for the shard index, one for each replica.
//!
//! Must not know: what rows mean.

use std::future::ready;
use std::sync::{Arc, Weak};

use couronne_cluster::map::ReplicaId;
use couronne_metadata::store::{Store, StoreError};
use futures_util::future::BoxFuture;

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

    /// Lives as long as anything uses the stores: until then their place is theirs.
    fn in_use(&self) -> Weak<()> {
        Weak::new()
    }

    /// Whether there is any store, rotten or set aside ones among them.
    fn holds_any(&self) -> bool;

    /// What was found rotten in them, if anything was: they cannot be opened, or took no writes any more at some time.
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

    /// Closes them and opens them as it is noted of them. An error if something uses them.
    fn open_again(&self) -> Result<(), StoreError> {
        Ok(())
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
