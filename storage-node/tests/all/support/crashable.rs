//! Stores that die with their machine: what a killed node still had under way reaches them no more.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use couronne_metadata::store::{Batch, Cursor, Row, Store, StoreError, View};
use couronne_storage_node::node::{MemoryStores, Stores};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

/// The stores of a drive as one life of its machine sees them.
#[derive(Default)]
pub struct CrashableStores {
    stores: Arc<MemoryStores>,
    dead: Arc<AtomicBool>,
    /// The name of a store whose rows the medium does not give any more.
    rotten: Arc<Mutex<Option<&'static str>>>,
}

impl CrashableStores {
    /// Has the rows of a store rot, so that what reads the medium meets it, until the store is removed.
    pub fn rot(&self, name: &'static str) {
        *self.rotten.lock() = Some(name);
    }

    /// Whether a store that rotted is still there.
    pub fn is_rotten(&self) -> bool {
        self.rotten.lock().is_some()
    }

    /// Loses power; what a machine finds that starts again. `seed` chooses what is lost of unflushed rows.
    pub fn crash(&self, seed: u64) -> Self {
        self.dead.store(true, Ordering::SeqCst);
        self.stores.crash(seed);
        Self { stores: Arc::clone(&self.stores), ..Self::default() }
    }

    /// Has calls that would wait for a medium hang, or come back again.
    pub fn set_hang(&self, hangs: bool) {
        self.stores.set_hang(hangs);
    }
}

impl CrashableStores {
    /// Other stores that hold what a snapshot of these taken now would.
    pub fn backup(&self, seed: u64) -> Self {
        Self { stores: Arc::new(self.stores.backup(seed)), ..Self::default() }
    }
}

impl Stores for CrashableStores {
    fn take_calls(&self) -> BoxFuture<'static, ()> {
        self.stores.take_calls()
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Store>, StoreError> {
        let (dead, rotten) = (Arc::clone(&self.dead), Arc::clone(&self.rotten));
        Ok(Arc::new(CrashableStore { store: self.stores.open(name)?, dead, rotten, name: name.to_owned() }))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        check(&self.dead)?;
        self.rotten.lock().take_if(|rotten| *rotten == name);
        self.stores.remove(name)
    }
}

fn check(dead: &AtomicBool) -> Result<(), StoreError> {
    if dead.load(Ordering::SeqCst) { Err(lost_power()) } else { Ok(()) }
}

fn lost_power() -> StoreError {
    StoreError::Failed("lost power".to_owned())
}

/// A store as one life of its machine sees it.
pub struct CrashableStore {
    pub store: Arc<dyn Store>,
    /// Whether that life is over.
    pub dead: Arc<AtomicBool>,
    pub rotten: Arc<Mutex<Option<&'static str>>>,
    pub name: String,
}

impl Store for CrashableStore {
    fn view(&self) -> Box<dyn View + '_> {
        if check(&self.dead).is_ok() { self.store.view() } else { Box::new(Unreadable(lost_power)) }
    }

    fn view_on_medium(&self) -> Box<dyn View + '_> {
        if *self.rotten.lock() == Some(&self.name) { Box::new(Unreadable(rotten)) } else { self.view() }
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        check(&self.dead)?;
        self.store.apply(batch)
    }

    fn flush(&self) -> Result<(), StoreError> {
        check(&self.dead)?;
        self.store.flush()
    }

    fn wipe(&self) -> Result<(), StoreError> {
        check(&self.dead)?;
        self.store.wipe()
    }

    fn unflushed_bytes(&self) -> u64 {
        self.store.unflushed_bytes()
    }
}

fn rotten() -> StoreError {
    StoreError::Rotten("block checksum mismatch".to_owned())
}

/// What cannot be read, and why.
struct Unreadable(fn() -> StoreError);

impl View for Unreadable {
    fn get(&self, _: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Err(self.0())
    }

    fn scan<'a>(&'a self, _: Bound<&[u8]>, _: Bound<&[u8]>, _: bool) -> Box<dyn Cursor + 'a> {
        Box::new(Self(self.0))
    }
}

impl Cursor for Unreadable {
    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        Err(self.0())
    }

    fn seek(&mut self, _: &[u8]) -> Result<(), StoreError> {
        Err(self.0())
    }
}
