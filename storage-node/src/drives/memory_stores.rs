//! The fake of a drive's RocksDB in tests and simulation: stores in memory, which outlive the node that uses them as a
//! drive's files do. They hang, fail, rot and have no space when they are told to.
//!
//! Promises: what [`Stores`] promises and not a bit more. What was opened before a crash, or before the stores were opened
//! again, reaches them no more.
//! Must not know: what rows mean, who tells them to fail.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use couronne_base::watch;
use couronne_metadata::memory::MemoryStore;
use couronne_metadata::store::{Batch, Cursor, Row, Store, StoreError, View};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::stores::Stores;

/// The stores of a drive in memory. Clones are the same.
#[derive(Clone)]
pub struct MemoryStores {
    database: Arc<Mutex<Database>>,
    /// Those made before the last crash are dead.
    incarnation: u64,
    /// Whether calls that would wait for a medium do not come back.
    hang: watch::Sender<bool>,
}

/// The database that counts.
#[derive(Default)]
struct Database {
    incarnation: u64,
    stores: BTreeMap<String, Arc<MemoryStore>>,
    opening: Arc<Opening>,
    /// Lives as long as a store of this opening is in use.
    in_use: Weak<()>,
    /// Whether files rotted without which it cannot be opened.
    is_broken: bool,
    /// What was found rotten in it when it was opened, or noted since.
    rot: Option<String>,
    has_set_aside: bool,
}

/// The time from one opening to the next.
#[derive(Default)]
struct Opening {
    /// Why no call is served, if none is.
    failed: OnceLock<&'static str>,
    /// Why no writes are taken, if none are.
    sealed: OnceLock<&'static str>,
    /// Whether no space is left for writes.
    is_full: AtomicBool,
}

impl Database {
    /// Opens it once more: what was opened before fails from now on.
    fn open_again(&mut self) {
        let before = std::mem::take(&mut self.opening);
        before.failed.get_or_init(|| "it was opened again");
        self.in_use = Weak::new();
        if self.is_broken {
            self.rot = Some("MANIFEST is rotten".to_owned());
        }
    }

    /// Whether it can be opened. Broken files show only then.
    fn is_open(&self) -> bool {
        !self.is_broken || self.rot.is_none()
    }
}

impl Opening {
    fn check(&self) -> Result<(), StoreError> {
        let failed = self.failed.get().map(|why| StoreError::Failed((*why).to_owned()));
        failed.map_or(Ok(()), Err)
    }

    fn check_writes(&self) -> Result<(), StoreError> {
        let sealed = self.sealed.get().map(|what| StoreError::Sealed((*what).to_owned()));
        self.check().and(sealed.map_or(Ok(()), Err))?;
        if self.is_full.load(Ordering::Relaxed) { Err(StoreError::Full) } else { Ok(()) }
    }
}

impl Default for MemoryStores {
    fn default() -> Self {
        Self { database: Arc::default(), incarnation: 0, hang: watch::channel(false).0 }
    }
}

impl MemoryStores {
    /// Has calls that would wait for a medium hang, or come back again.
    pub fn set_hang(&self, hangs: bool) {
        self.hang.send_replace(hangs);
    }

    /// Loses power, and with it what a crash may lose of each store's unflushed rows, chosen by `seed`. What was made
    /// before is dead from now on; what is returned is what a machine finds that starts again.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let mut database = self.database.lock();
        for (number, store) in (seed..).zip(database.stores.values()) {
            store.crash(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
        database.open_again();
        database.incarnation += 1;
        // What hung comes back to a dead machine.
        self.hang.send_replace(false);
        Self { incarnation: database.incarnation, hang: watch::channel(false).0, ..self.clone() }
    }

    /// Opens the stores once more, as those of a drive that is mounted again are.
    pub fn reopen(&self) {
        self.database.lock().open_again();
    }

    /// Other stores that hold what a snapshot of these taken now would: what a crash leaves, chosen by `seed`.
    pub fn backup(&self, seed: u64) -> Self {
        let database = self.database.lock();
        let copy = Database {
            stores: database.stores.iter().map(|(name, store)| (name.clone(), store.backup(seed).into())).collect(),
            is_broken: database.is_broken,
            rot: database.rot.clone(),
            has_set_aside: database.has_set_aside,
            ..Database::default()
        };
        Self { database: Arc::new(Mutex::new(copy)), ..Self::default() }
    }

    /// The names of the stores there are.
    pub fn names(&self) -> Vec<String> {
        self.database.lock().stores.keys().cloned().collect()
    }

    /// Has rows of a store rot ([`MemoryStore::rot`]). How many did.
    pub fn rot_rows(&self, name: &str, seed: u64, count: usize, is_cached: bool) -> usize {
        self.database.lock().stores.get(name).map_or(0, |store| store.rot(seed, count, is_cached))
    }

    /// How many rows of a store are rotten.
    pub fn rotten_rows(&self, name: &str) -> usize {
        self.database.lock().stores.get(name).map_or(0, |store| store.rotten_rows())
    }

    /// Has rot be met while rows are rewritten: no writes are taken until the stores are opened again.
    pub fn seal(&self) {
        self.database.lock().opening.sealed.get_or_init(|| "a compaction met a rotten block");
    }

    /// Has no space left for writes, or some again, until the stores are opened again.
    pub fn set_full(&self, is_full: bool) {
        self.database.lock().opening.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Has files rot without which the stores cannot be opened again.
    pub fn break_files(&self) {
        self.database.lock().is_broken = true;
    }

    /// Has every call fail until the stores are opened again.
    pub fn fail(&self) {
        self.database.lock().opening.failed.get_or_init(|| "the medium failed");
    }

    /// Does something to the database if it is open.
    fn with<T>(&self, work: impl FnOnce(&mut Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut database = self.database.lock();
        if database.incarnation != self.incarnation {
            return Err(StoreError::Failed("lost power".to_owned()));
        }
        if !database.is_open() {
            return Err(StoreError::Rotten(database.rot.clone().unwrap_or_default()));
        }
        work(&mut database)
    }
}

impl Stores for MemoryStores {
    fn open(&self, name: &str) -> Result<Arc<dyn Store>, StoreError> {
        self.with(|database| {
            let store = Arc::clone(database.stores.entry(name.to_owned()).or_default());
            let in_use = database.in_use.upgrade().unwrap_or_default();
            database.in_use = Arc::downgrade(&in_use);
            let opening = Arc::clone(&database.opening);
            Ok(Arc::new(OpenedStore { store, opening, _in_use: in_use }) as Arc<dyn Store>)
        })
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.with(|database| {
            database.opening.check_writes()?;
            database.stores.remove(name);
            Ok(())
        })
    }

    fn take_calls(&self) -> BoxFuture<'static, ()> {
        let mut hang = self.hang.subscribe();
        Box::pin(async move {
            // The fake lives as long as anything that calls it.
            let _ = hang.wait_for(|hangs| !hangs).await;
        })
    }

    fn in_use(&self) -> Weak<()> {
        self.database.lock().in_use.clone()
    }

    fn holds_any(&self) -> bool {
        let database = self.database.lock();
        database.rot.is_some() || database.has_set_aside || !database.stores.is_empty()
    }

    fn rot(&self) -> Option<String> {
        self.database.lock().rot.clone()
    }

    fn is_open(&self) -> bool {
        self.database.lock().is_open()
    }

    fn note_sealed(&self) -> Result<bool, StoreError> {
        self.with(|database| {
            let sealed = database.opening.sealed.get().map(|what| (*what).to_owned());
            let is_sealed = sealed.is_some();
            database.rot = database.rot.take().or(sealed);
            Ok(is_sealed)
        })
    }

    fn open_again(&self) -> Result<(), StoreError> {
        self.reopen();
        Ok(())
    }

    fn begin_anew(&self) -> Result<(), StoreError> {
        let mut database = self.database.lock();
        database.open_again();
        *database = Database { incarnation: database.incarnation, has_set_aside: true, ..Database::default() };
        Ok(())
    }

    fn has_set_aside(&self) -> bool {
        self.database.lock().has_set_aside
    }

    fn drop_set_aside(&self) -> Result<(), StoreError> {
        self.database.lock().has_set_aside = false;
        Ok(())
    }
}

/// A store as one opening gives it.
struct OpenedStore {
    store: Arc<MemoryStore>,
    opening: Arc<Opening>,
    _in_use: Arc<()>,
}

impl OpenedStore {
    fn or_unreadable<'a>(&self, view: Box<dyn View + 'a>) -> Box<dyn View + 'a> {
        match self.opening.failed.get() {
            Some(why) => Box::new(Unreadable(why)),
            None => view,
        }
    }
}

impl Store for OpenedStore {
    fn view(&self) -> Box<dyn View + '_> {
        self.or_unreadable(self.store.view())
    }

    fn view_in_memory(&self) -> Box<dyn View + '_> {
        self.or_unreadable(self.store.view_in_memory())
    }

    fn view_on_medium(&self) -> Box<dyn View + '_> {
        self.or_unreadable(self.store.view_on_medium())
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        self.opening.check_writes()?;
        self.store.apply(batch)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.opening.check_writes()?;
        self.store.flush()
    }

    fn wipe(&self) -> Result<(), StoreError> {
        self.opening.check_writes()?;
        self.store.wipe()
    }

    fn unflushed_bytes(&self) -> u64 {
        self.store.unflushed_bytes()
    }
}

/// What cannot be read, and why.
struct Unreadable(&'static str);

impl Unreadable {
    fn error(&self) -> StoreError {
        StoreError::Failed(self.0.to_owned())
    }
}

impl View for Unreadable {
    fn get(&self, _: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Err(self.error())
    }

    fn scan<'a>(&'a self, _: Bound<&[u8]>, _: Bound<&[u8]>, _: bool) -> Box<dyn Cursor + 'a> {
        Box::new(Self(self.0))
    }
}

impl Cursor for Unreadable {
    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        Err(self.error())
    }

    fn seek(&mut self, _: &[u8]) -> Result<(), StoreError> {
        Err(self.error())
    }
}
