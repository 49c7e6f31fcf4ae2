//! The stores of one drive in RocksDB: one database a drive, one column family a store, no WAL.
//!
//! Without the WAL a crash leaves the memtables that were flushed, in order: a prefix of each store's
//! batches. A batch belongs to one store, so no flush has to span several. Dropping a column family
//! is how a store is wiped.
//! Must not know: rows, replicas, segments.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use parking_lot::Mutex;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, BoundColumnFamily, Cache, DBCompressionType, DBRawIteratorWithThreadMode,
    DBWithThreadMode, DEFAULT_COLUMN_FAMILY_NAME, ErrorKind, FlushOptions, LogLevel, LruCacheOptions, MultiThreaded,
    Options, ReadOptions, ReadTier, SnapshotWithThreadMode, WriteBatch, WriteOptions,
};

use crate::store::{Batch, Cursor, Row, Store, StoreError, View, Write};

type Database = DBWithThreadMode<MultiThreaded>;

/// Values from this size on are kept beside the tree, in bytes: above all records without many parts, below the
/// bodies that make up the volume.
const BLOB_BYTES_MIN: u64 = 1024;

/// What an operator may tune of a drive's database. Memory is per drive and bounded by the first two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RocksSettings {
    /// Bytes of blocks, indexes and filters kept in memory.
    pub block_cache_bytes: usize,
    /// Bytes of unflushed rows of all stores together before the largest is flushed.
    pub write_buffers_bytes: usize,
    /// Bytes of unflushed rows of one store before it is flushed.
    pub write_buffer_bytes: usize,
    /// Flushes and compactions at a time.
    pub background_jobs: i32,
    /// Files kept open.
    pub open_files_max: i32,
}

impl Default for RocksSettings {
    fn default() -> Self {
        Self {
            block_cache_bytes: 24 << 20,
            write_buffers_bytes: 32 << 20,
            write_buffer_bytes: 16 << 20,
            background_jobs: 2,
            open_files_max: 256,
        }
    }
}

/// The database of one drive.
#[derive(Clone)]
pub struct RocksDrive {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    options: Options,
    /// The stores there are; RocksDB tells them only when it opens.
    names: Mutex<BTreeSet<String>>,
    /// Why it takes no writes any more, if it does not.
    sealed: OnceLock<String>,
    /// Declared, and so dropped, after the database: when it is gone, the database is closed.
    in_use: Arc<()>,
}

/// One store of a drive.
pub struct RocksStore {
    drive: RocksDrive,
    name: String,
    unflushed_bytes: AtomicU64,
}

impl RocksDrive {
    /// Opens the database in a folder of its own, or makes it.
    pub fn open(folder: &Path, settings: &RocksSettings) -> Result<Self, StoreError> {
        Self::open_with(folder, options(settings))
    }

    /// The same, of a database some of whose files are rotten: it takes writes, and rewrites nothing that it has, for it
    /// would meet the rot.
    pub fn open_without_rewriting(folder: &Path, settings: &RocksSettings) -> Result<Self, StoreError> {
        let mut options = options(settings);
        options.set_disable_auto_compactions(true);
        Self::open_with(folder, options)
    }

    fn open_with(folder: &Path, options: Options) -> Result<Self, StoreError> {
        let is_there = folder.join("CURRENT").exists();
        // Without this file RocksDB would make a new database of the old one's folder.
        if !is_there && has_files(folder).map_err(|error| StoreError::Failed(error.to_string()))? {
            return Err(StoreError::Rotten("CURRENT is missing".to_owned()));
        }
        // A folder without a database has no stores.
        let names = if is_there { Database::list_cf(&options, folder).map_err(unopened)? } else { Vec::new() };
        let stores = names.iter().map(|name| (name, options.clone()));
        let database = Database::open_cf_with_opts(&options, folder, stores).map_err(unopened)?;
        let names = names.into_iter().filter(|name| name != DEFAULT_COLUMN_FAMILY_NAME).collect();
        let (names, sealed, in_use) = (Mutex::new(names), OnceLock::new(), Arc::default());
        Ok(Self { inner: Arc::new(Inner { database, options, names, sealed, in_use }) })
    }

    /// Opens a store by its name, or makes it, empty.
    pub fn store(&self, name: &str) -> Result<RocksStore, StoreError> {
        let mut names = self.inner.names.lock();
        if !names.contains(name) {
            let made = self.inner.database.create_cf(name, &self.inner.options);
            made.map_err(|error| self.unwritten(error))?;
            names.insert(name.to_owned());
        }
        Ok(RocksStore { drive: self.clone(), name: name.to_owned(), unflushed_bytes: AtomicU64::new(0) })
    }

    /// Lives as long as the database is open, by whatever uses it: until then its folder is its own, even if
    /// everything in it was deleted.
    pub fn in_use(&self) -> Weak<()> {
        Arc::downgrade(&self.inner.in_use)
    }

    /// Why it takes no writes any more, if it does not: it met rot while it rewrote its rows.
    pub fn sealed(&self) -> Option<String> {
        self.inner.sealed.get().cloned()
    }

    /// A write that failed. It reads nothing, so what it meets of rot a rewriting met before.
    fn unwritten(&self, error: rocksdb::Error) -> StoreError {
        match failed(error) {
            StoreError::Rotten(what) => StoreError::Sealed(self.inner.sealed.get_or_init(|| what).clone()),
            error => error,
        }
    }

    /// The names of the stores there are.
    pub fn stores(&self) -> Vec<String> {
        self.inner.names.lock().iter().cloned().collect()
    }

    /// Removes a store and its rows, durably; an absent one is fine. Nobody may use it any more.
    pub fn drop_store(&self, name: &str) -> Result<(), StoreError> {
        let mut names = self.inner.names.lock();
        if names.contains(name) {
            self.inner.database.drop_cf(name).map_err(|error| self.unwritten(error))?;
            names.remove(name);
        }
        Ok(())
    }
}

impl RocksStore {
    fn view_of(&self, reading: Reading) -> Box<dyn View + '_> {
        let database = &self.drive.inner.database;
        let snapshot = database.snapshot();
        let reads = read_options(&snapshot, reading);
        Box::new(RocksView { database, family: self.family(), reads, snapshot, reading })
    }

    fn family(&self) -> Result<Arc<BoundColumnFamily<'_>>, StoreError> {
        let family = self.drive.inner.database.cf_handle(&self.name);
        family.ok_or_else(|| StoreError::Failed(format!("store {} was dropped", self.name)))
    }
}

impl Store for RocksStore {
    fn view(&self) -> Box<dyn View + '_> {
        self.view_of(Reading::Anywhere)
    }

    fn view_in_memory(&self) -> Box<dyn View + '_> {
        self.view_of(Reading::InMemory)
    }

    fn view_on_medium(&self) -> Box<dyn View + '_> {
        self.view_of(Reading::OnMedium)
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let family = self.family()?;
        let mut writes = WriteBatch::default();
        for write in &batch.writes {
            match write {
                Write::Put { key, value } => writes.put_cf(&family, key, value),
                Write::Delete { key } => writes.delete_cf(&family, key),
                Write::DeleteRange { start, end } if start < end => writes.delete_range_cf(&family, start, end),
                Write::DeleteRange { .. } => {}
            }
        }
        let mut unlogged = WriteOptions::default();
        unlogged.disable_wal(true);
        let written = self.drive.inner.database.write_opt(writes, &unlogged);
        written.map_err(|error| self.drive.unwritten(error))?;
        self.unflushed_bytes.fetch_add(batch.bytes(), Ordering::Relaxed);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        let covered = self.unflushed_bytes.load(Ordering::Relaxed);
        let flushed = self.drive.inner.database.flush_cf_opt(&self.family()?, &FlushOptions::default());
        flushed.map_err(|error| self.drive.unwritten(error))?;
        self.unflushed_bytes.fetch_sub(covered, Ordering::Relaxed);
        Ok(())
    }

    fn wipe(&self) -> Result<(), StoreError> {
        self.drive.drop_store(&self.name)?;
        self.drive.store(&self.name)?;
        self.unflushed_bytes.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn unflushed_bytes(&self) -> u64 {
        self.unflushed_bytes.load(Ordering::Relaxed)
    }
}

/// Where rows are read from.
#[derive(Clone, Copy)]
enum Reading {
    /// Memory, or the medium; what is read is kept in memory.
    Anywhere,
    /// Memory alone.
    InMemory,
    /// Mostly the medium; what is read is not kept in memory.
    OnMedium,
}

struct RocksView<'a> {
    database: &'a Database,
    family: Result<Arc<BoundColumnFamily<'a>>, StoreError>,
    /// Read options that point to the snapshot; dropped before it.
    reads: ReadOptions,
    snapshot: SnapshotWithThreadMode<'a, Database>,
    reading: Reading,
}

impl<'a> RocksView<'a> {
    fn family(&self) -> Result<&Arc<BoundColumnFamily<'a>>, StoreError> {
        self.family.as_ref().map_err(|error| StoreError::Failed(error.to_string()))
    }
}

impl View for RocksView<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.database.get_pinned_cf_opt(self.family()?, key, &self.reads).map_err(unread)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan<'a>(&'a self, start: Bound<&[u8]>, end: Bound<&[u8]>, reverse: bool) -> Box<dyn Cursor + 'a> {
        let (start, end) = (lower(start), upper(end));
        if start.is_some() && start >= end && end.is_some() {
            return Box::new(RocksCursor { rows: None, reverse, state: State::Done });
        }
        let mut reads = read_options(&self.snapshot, self.reading);
        if let Some(start) = start {
            reads.set_iterate_lower_bound(start);
        }
        if let Some(end) = end {
            reads.set_iterate_upper_bound(end);
        }
        match self.family() {
            Ok(family) => {
                let rows = Some(self.database.raw_iterator_cf_opt(family, reads));
                Box::new(RocksCursor { rows, reverse, state: State::Fresh })
            }
            Err(error) => {
                let state = State::Broken(error.to_string());
                Box::new(RocksCursor { rows: None, reverse, state })
            }
        }
    }
}

/// Reads of a snapshot.
fn read_options(snapshot: &SnapshotWithThreadMode<'_, Database>, reading: Reading) -> ReadOptions {
    let mut reads = ReadOptions::default();
    reads.set_snapshot(snapshot);
    reads.set_verify_checksums(true);
    reads.fill_cache(!matches!(reading, Reading::OnMedium));
    reads.set_read_tier(match reading {
        Reading::InMemory => ReadTier::BlockCache,
        Reading::Anywhere | Reading::OnMedium => ReadTier::All,
    });
    reads
}

/// The first key of an interval that begins so.
fn lower(bound: Bound<&[u8]>) -> Option<Vec<u8>> {
    match bound {
        Bound::Included(key) => Some(key.to_vec()),
        Bound::Excluded(key) => Some(after(key)),
        Bound::Unbounded => None,
    }
}

/// The first key past an interval that ends so.
fn upper(bound: Bound<&[u8]>) -> Option<Vec<u8>> {
    match bound {
        Bound::Included(key) => Some(after(key)),
        Bound::Excluded(key) => Some(key.to_vec()),
        Bound::Unbounded => None,
    }
}

/// The least key above `key`.
fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

struct RocksCursor<'a> {
    rows: Option<DBRawIteratorWithThreadMode<'a, Database>>,
    reverse: bool,
    state: State,
}

enum State {
    /// Nothing was read or sought yet.
    Fresh,
    /// The iterator stands on the row given last.
    On,
    /// The iterator stands on the next row, or at the end.
    Sought,
    Done,
    Broken(String),
}

impl Cursor for RocksCursor<'_> {
    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        if let State::Broken(error) = &self.state {
            return Err(StoreError::Failed(error.clone()));
        }
        let Some(rows) = &mut self.rows else { return Ok(None) };
        match (&self.state, self.reverse) {
            (State::Fresh, false) => rows.seek_to_first(),
            (State::Fresh, true) => rows.seek_to_last(),
            (State::On, false) => rows.next(),
            (State::On, true) => rows.prev(),
            (State::Sought, _) => {}
            (State::Done | State::Broken(_), _) => return Ok(None),
        }
        if let Some((key, value)) = rows.item() {
            // One allocation for both; slices of it are what rows are decoded to.
            let row = Bytes::from([key, value].concat());
            let row = (row.slice(..key.len()), row.slice(key.len()..));
            self.state = State::On;
            return Ok(Some(row));
        }
        rows.status().map_err(unread)?;
        self.state = State::Done;
        Ok(None)
    }

    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let Some(rows) = &mut self.rows else { return Ok(()) };
        let passed = match self.state {
            State::Fresh => false,
            State::On | State::Sought => match rows.key() {
                Some(here) => {
                    if self.reverse {
                        key >= here
                    } else {
                        key <= here
                    }
                }
                None => true,
            },
            State::Done | State::Broken(_) => true,
        };
        if passed {
            return Ok(());
        }
        if self.reverse {
            rows.seek_for_prev(key)
        } else {
            rows.seek(key)
        }
        self.state = State::Sought;
        rows.status().map_err(unread)
    }
}

fn options(settings: &RocksSettings) -> Options {
    let mut table = BlockBasedOptions::default();
    let mut cache = LruCacheOptions::default();
    cache.set_capacity(settings.block_cache_bytes);
    cache.set_num_shard_bits(3);
    table.set_block_cache(&Cache::new_lru_cache_opts(&cache));
    // Indexes and filters count as cached blocks, so that memory is bounded; in small pieces, since a
    // whole one of a large file would not fit a shard of the cache and be read anew for every row.
    table.set_cache_index_and_filter_blocks(true);
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_metadata_block_size(4 << 10);
    table.set_pin_top_level_index_and_filter(true);
    // Those of the youngest files are few, and looked at for every row that may be new.
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_bloom_filter(10.0, false);
    table.set_block_size(16 << 10);
    table.set_format_version(6);

    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_db_write_buffer_size(settings.write_buffers_bytes);
    options.set_write_buffer_size(settings.write_buffer_bytes);
    options.set_max_write_buffer_number(3);
    // Bodies of small objects are most of the bytes. A flush writes them to files of their own, and compaction
    // moves but their places: else every body would be read, compressed and written again at each level. A
    // compaction moves what lives in the oldest twentieth of these files, so that they go; it is asked for when
    // half of their bytes are dead.
    options.set_enable_blob_files(true);
    options.set_min_blob_size(BLOB_BYTES_MIN);
    options.set_enable_blob_gc(true);
    options.set_blob_gc_age_cutoff(0.05);
    options.set_blob_gc_force_threshold(0.5);
    // Small blocks, so that an idle store costs kilobytes; a filter, since most commit ids are new.
    options.set_arena_block_size(64 << 10);
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(0.02);
    // Reap rows, commits and emptied buckets leave runs of tombstones that scans would walk for ever.
    options.add_compact_on_deletion_collector_factory(4096, 2048, 0.5);
    options.set_max_background_jobs(settings.background_jobs);
    options.set_max_open_files(settings.open_files_max);
    options.set_avoid_unnecessary_blocking_io(true);
    // RocksDB would ask the medium for the size of a compaction's reads, and every few hours for the folder's files, with
    // the mutex held that every view takes: on a medium that hangs, all threads that make views would hang with it. The
    // system reads ahead instead, if it is not told that reads come in no order; a start looks for files that are to go.
    options.set_compaction_readahead_size(0);
    options.set_advise_random_on_open(false);
    options.set_delete_obsolete_files_period_micros(u64::MAX / 2);
    options.set_bytes_per_sync(1 << 20);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// A database that could not be opened. Unless the system refused something, its files are not as they were written:
/// RocksDB tells that in many ways, such as that a file named in another has no name that a file can have.
fn unopened(error: rocksdb::Error) -> StoreError {
    let names = ["Is a directory", "Not a directory", "File name too long", "Invalid argument"];
    let is_rotten = match error.kind() {
        ErrorKind::IOError => names.iter().any(|what| error.as_ref().contains(what)),
        ErrorKind::NotFound | ErrorKind::NotSupported | ErrorKind::InvalidArgument | ErrorKind::Incomplete => true,
        _ => false,
    };
    if is_rotten { StoreError::Rotten(error.into_string()) } else { failed(error) }
}

/// A read that failed.
fn unread(error: rocksdb::Error) -> StoreError {
    // RocksDB tells the want of descriptors by the system's words only.
    if error.kind() == ErrorKind::IOError && error.as_ref().contains("Too many open files") {
        return StoreError::OutOfFiles;
    }
    if error.kind() == ErrorKind::Incomplete {
        return StoreError::NotInMemory;
    }
    failed(error)
}

/// Whether a folder holds files of a database.
#[allow(clippy::disallowed_methods, reason = "RocksDB's files are not the drive's")]
fn has_files(folder: &Path) -> std::io::Result<bool> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let name = |entry: std::io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let names = entries.map(name).collect::<std::io::Result<Vec<String>>>()?;
    Ok(names.iter().any(|name| name.starts_with("MANIFEST-") || name.ends_with(".sst") || name.ends_with(".blob")))
}

fn failed(error: rocksdb::Error) -> StoreError {
    match error.kind() {
        ErrorKind::Corruption => StoreError::Rotten(error.into_string()),
        // A file of its own that is not there is a loss like one that does not verify.
        ErrorKind::IOError if error.as_ref().contains("No such file") => StoreError::Rotten(error.into_string()),
        // RocksDB tells a full disk by the system's words only.
        ErrorKind::IOError if error.as_ref().contains("No space left") => StoreError::Full,
        _ => StoreError::Failed(error.into_string()),
    }
}
