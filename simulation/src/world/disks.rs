//! The drives of a simulated machine: files that forget what was not synced, and stores beside them.
//!
//! Every call takes a moment, so that a crash finds work half done. Must not know: what is kept on them.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_storage_node::disk::simulated::SimulatedDisk;
use couronne_storage_node::disk::{Access, Disk, DiskFile, Space};
use couronne_storage_node::drives::Settings as DriveSettings;
use couronne_storage_node::node::{MemoryStores, NodeDrive, Reopen};
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::trace::digest;
use couronne_base::testing::Rng;

/// What a drive holds, in bytes.
pub const CAPACITY: u64 = 1 << 30;

/// The folder of a drive's log, the blocks of its files, and how a file begins.
const LOG: &str = "log";
const BLOCK_BYTES: u64 = 4096;
const HEADER_BYTES: u64 = 64;
const LOG_READ_BYTES: usize = 64;

/// How long a call takes at most, in milliseconds, unless the drive is slow.
const CALL_MS_MAX: u64 = 1;

/// How long a sync takes at most, in milliseconds, unless the drive is slow.
const SYNC_MS_MAX: u64 = 3;

/// A drive: it outlives the processes that use it.
pub struct SimulatedDrive {
    /// Its files.
    pub disk: SimulatedDisk,
    /// Its stores.
    pub stores: MemoryStores,
    pace: Arc<Pace>,
    hangs: AtomicBool,
    rng: Rng,
}

impl SimulatedDrive {
    /// An empty drive.
    pub fn new(mut rng: Rng) -> Self {
        let pace = Arc::new(Pace { rng: Mutex::new(rng.fork()), slow_ms: AtomicU64::new(0) });
        let disk = SimulatedDisk::new(rng.draw(), CAPACITY);
        Self { disk, stores: MemoryStores::default(), pace, hangs: AtomicBool::new(false), rng }
    }

    /// The drive as a node is given it.
    pub fn for_node(&self, name: &str) -> NodeDrive {
        opened(name.to_owned(), self.disk.clone(), self.stores.clone(), Arc::clone(&self.pace))
    }

    /// Loses power: what was not durable may be gone.
    pub fn lose_power(&mut self) {
        self.disk = self.disk.crash();
        self.stores = self.stores.crash(self.rng.draw());
        self.set_slow(0);
        self.set_hang(false);
    }

    /// Another drive that holds what a snapshot of this one taken now would.
    pub fn snapshot(&mut self) -> Self {
        let pace = Arc::new(Pace { rng: Mutex::new(self.rng.fork()), slow_ms: AtomicU64::new(0) });
        let (disk, stores) = (self.disk.backup(), self.stores.backup(self.rng.draw()));
        Self { disk, stores, pace, hangs: AtomicBool::new(false), rng: self.rng.fork() }
    }

    /// The path of the newest file of the log, if it holds a batch: until then nobody was told that it is there.
    pub async fn newest_log(&self) -> io::Result<Option<String>> {
        let mut newest = None;
        for name in self.disk.list(LOG).await? {
            let path = format!("{LOG}/{name}");
            let file = self.disk.open(&path, Access::Buffered).await?;
            if file.len().await? < BLOCK_BYTES + HEADER_BYTES {
                continue;
            }
            let header = file.read(0, LOG_READ_BYTES).await?;
            let batch = file.read(BLOCK_BYTES, LOG_READ_BYTES).await?;
            let is_used = header.starts_with(b"COURLOG1") && batch.starts_with(b"CLOB");
            let (sequence, generation) = (header.get(8..16), header.get(16..24));
            if is_used && generation == batch.get(8..16) {
                newest = newest.max(sequence.map(|sequence| (sequence.to_vec(), path)));
            }
        }
        Ok(newest.map(|(_, path)| path))
    }

    /// A digest of all that the log's files hold.
    pub async fn log_digest(&self) -> io::Result<u64> {
        let mut files = Vec::new();
        for name in self.disk.list(LOG).await? {
            let file = self.disk.open(&format!("{LOG}/{name}"), Access::Buffered).await?;
            let len = usize::try_from(file.len().await?).unwrap_or(usize::MAX);
            files.push(file.read(0, len).await?);
        }
        Ok(digest(&files.iter().map(|bytes| &**bytes).collect::<Vec<_>>()))
    }

    /// Another, empty drive takes its place.
    pub fn wipe(&mut self) {
        *self = Self::new(self.rng.fork());
    }

    /// Has every call hang, or come back.
    pub fn set_hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::Relaxed);
        self.disk.set_hang(hangs);
        self.stores.set_hang(hangs);
    }

    /// Whether calls hang.
    pub fn hangs(&self) -> bool {
        self.hangs.load(Ordering::Relaxed)
    }

    /// Has every call take up to so many milliseconds more.
    pub fn set_slow(&self, slow_ms: u64) {
        self.pace.slow_ms.store(slow_ms, Ordering::Relaxed);
    }
}

/// A drive that was opened, and can be again.
fn opened(name: String, disk: SimulatedDisk, stores: MemoryStores, pace: Arc<Pace>) -> NodeDrive {
    let again = (name.clone(), disk.clone(), stores.clone(), Arc::clone(&pace));
    let reopen = Reopen::by(move || {
        let (name, disk, stores, pace) = again.clone();
        stores.reopen();
        Box::pin(async move { Ok(opened(name, disk, stores, pace)) })
    });
    NodeDrive {
        name,
        disk: Arc::new(PacedDisk { disk: Arc::new(disk), pace, in_use: Arc::default() }),
        stores: Arc::new(stores),
        reopen: Some(reopen),
        settings: Some(DriveSettings {
            large_segment_bytes: 4 << 20,
            small_segment_bytes: 2 << 20,
            ..DriveSettings::for_space(Space { total: CAPACITY, free: CAPACITY })
        }),
    }
}

/// How long calls take.
struct Pace {
    rng: Mutex<Rng>,
    slow_ms: AtomicU64,
}

impl Pace {
    async fn take(&self, most_ms: u64) {
        let most_ms = most_ms.saturating_add(self.slow_ms.load(Ordering::Relaxed));
        let ms = self.rng.lock().between(0, most_ms);
        if ms > 0 {
            sleep(Duration::from_millis(ms)).await;
        }
    }
}

/// A disk whose calls take time.
struct PacedDisk {
    disk: Arc<dyn Disk>,
    pace: Arc<Pace>,
    /// Held by its files, too.
    in_use: Arc<()>,
}

impl PacedDisk {
    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(PacedFile { file, pace: Arc::clone(&self.pace), _in_use: Arc::clone(&self.in_use) })
    }
}

#[async_trait]
impl Disk for PacedDisk {
    async fn create(&self, path: &str, len: u64, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.pace.take(CALL_MS_MAX).await;
        Ok(self.file(self.disk.create(path, len, access).await?))
    }

    async fn open(&self, path: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.disk.open(path, access).await?))
    }

    async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.disk.list(folder).await
    }

    async fn create_folder(&self, folder: &str) -> io::Result<()> {
        self.disk.create_folder(folder).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.pace.take(CALL_MS_MAX).await;
        self.disk.remove(path).await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.pace.take(CALL_MS_MAX).await;
        self.disk.rename(from, to).await
    }

    async fn sync_dir(&self, folder: &str) -> io::Result<()> {
        self.pace.take(SYNC_MS_MAX).await;
        self.disk.sync_dir(folder).await
    }

    async fn space(&self) -> io::Result<Space> {
        self.disk.space().await
    }

    async fn file_system(&self) -> io::Result<u64> {
        self.disk.file_system().await
    }

    fn in_use(&self) -> Weak<()> {
        Arc::downgrade(&self.in_use)
    }
}

/// A file whose calls take time.
struct PacedFile {
    file: Arc<dyn DiskFile>,
    pace: Arc<Pace>,
    _in_use: Arc<()>,
}

#[async_trait]
impl DiskFile for PacedFile {
    async fn write(&self, offset: u64, buffers: Vec<Bytes>, sync: bool) -> io::Result<()> {
        self.pace.take(CALL_MS_MAX).await;
        self.file.write(offset, buffers, false).await?;
        if sync { self.sync().await } else { Ok(()) }
    }

    async fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.pace.take(CALL_MS_MAX).await;
        self.file.read(offset, len).await
    }

    async fn sync(&self) -> io::Result<()> {
        self.pace.take(SYNC_MS_MAX).await;
        self.file.sync().await
    }

    async fn len(&self) -> io::Result<u64> {
        self.file.len().await
    }
}
