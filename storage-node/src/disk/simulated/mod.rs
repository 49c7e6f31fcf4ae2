//! The disk's fake in memory: seeded, without threads or time, and failing on purpose.
//!
//! Promises: what `Disk` promises and not a bit more. A crash keeps any subset of the unsynced
//! sectors, any of the versions an unsynced sector had, and any subset of the unsynced names; every
//! fault of [`Fault`] can be ordered, and it can hang. The same seed and the same calls give the same disk.
//! Must not know: what the files mean.

mod image;
mod state;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use couronne_base::watch;
use parking_lot::Mutex;

use self::state::{DiskState, InodeId};
use super::{Access, DIRECT_ALIGN, Disk, DiskFile, Space};

pub use self::image::SECTOR_BYTES;

/// Something that goes wrong once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A sync reports EIO: some of what was unsynced is durable, the rest never will be.
    FailSync,
    /// A sync says yes and does nothing.
    LoseSync,
    /// A write reports EIO after some of its sectors were written.
    FailWrite,
    /// The same, with ENOSPC: the file system needs space to write over what is there.
    NoSpace,
    /// A write lands elsewhere in the same file.
    MisdirectWrite,
    /// A read returns the bytes of another place in the same file.
    MisdirectRead,
    /// A read reports EIO.
    FailRead,
    /// A file or folder cannot be opened, for the process is out of descriptors (EMFILE).
    OutOfFiles,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<DiskState>>,
    /// Handles made before the last crash are dead.
    incarnation: u64,
    /// Whether calls do not come back.
    hang: watch::Sender<bool>,
}

/// An open file of it.
struct SimulatedFile {
    state: Arc<Mutex<DiskState>>,
    incarnation: u64,
    hang: watch::Sender<bool>,
    inode: InodeId,
    access: Access,
    /// A write or sync through this handle failed.
    failed: AtomicBool,
}

impl SimulatedDisk {
    /// An empty disk that holds `capacity_bytes` bytes.
    pub fn new(seed: u64, capacity_bytes: u64) -> Self {
        let state = Arc::new(Mutex::new(DiskState::new(seed, capacity_bytes)));
        Self { state, incarnation: 0, hang: watch::channel(false).0 }
    }

    /// Loses power. Every handle on the disk is dead from now on; the disk returned is what a machine
    /// finds that starts again.
    pub fn crash(&self) -> Self {
        let incarnation = self.state.lock().crash();
        // What hung comes back to a dead machine.
        self.hang.send_replace(false);
        Self { state: self.state.clone(), incarnation, hang: watch::channel(false).0 }
    }

    /// Another disk that holds what a snapshot of this one taken now would: what a crash leaves.
    pub fn backup(&self) -> Self {
        let mut state = self.state.lock().clone();
        let incarnation = state.crash();
        Self { state: Arc::new(Mutex::new(state)), incarnation, hang: watch::channel(false).0 }
    }

    /// Orders a fault: the operation of its kind after the next `after` ones suffers it.
    pub fn inject(&self, fault: Fault, after: u32) {
        self.state.lock().inject(fault, after);
    }

    /// Has every call hang, those under way too, or come back again.
    pub fn set_hang(&self, hangs: bool) {
        self.hang.send_replace(hangs);
    }

    /// Makes the disk hold `bytes` bytes; what is there already stays.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.lock().capacity = bytes;
    }

    /// Says that the disk is on the file system of this number; 0 at first.
    pub fn set_file_system(&self, number: u64) {
        self.state.lock().file_system = number;
    }

    /// Flips one bit of a file, in what is read now and after a crash.
    pub fn flip_bit(&self, path: &str, offset: u64, bit: u8) -> io::Result<()> {
        self.state.lock().flip_bit(path, offset, bit)
    }

    /// How many syncs answered yes since the disk was made: what group commit saves.
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    async fn with<T>(&self, work: impl FnOnce(&mut DiskState) -> io::Result<T>) -> io::Result<T> {
        pause(&self.state, self.incarnation, &self.hang).await;
        let mut state = self.state.lock();
        state.check(self.incarnation)?;
        work(&mut state)
    }
}

/// Lets other tasks run, as often as the rng says, so that a seed decides how calls interleave.
async fn pause(state: &Mutex<DiskState>, incarnation: u64, hang: &watch::Sender<bool>) {
    let mut hang = hang.subscribe();
    let turns = {
        let mut state = state.lock();
        // A dead handle must not take random numbers from the living.
        if state.check(incarnation).is_ok() { state.rng.below(3) } else { 0 }
    };
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    // The sender is held by the caller.
    let _ = hang.wait_for(|hangs| !hangs).await;
}

#[async_trait]
impl Disk for SimulatedDisk {
    async fn create(&self, path: &str, len: u64, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.with(|state| state.create(path, len)).await?;
        Ok(self.handle(inode, access))
    }

    async fn open(&self, path: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.with(|state| state.check_files().and_then(|()| state.find(path))).await?;
        Ok(self.handle(inode, access))
    }

    async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.with(|state| Ok(state.list(folder))).await
    }

    async fn create_folder(&self, folder: &str) -> io::Result<()> {
        self.with(|state| state.create_folder(folder)).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.with(|state| state.remove(path)).await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.with(|state| state.rename(from, to)).await
    }

    async fn sync_dir(&self, folder: &str) -> io::Result<()> {
        self.with(|state| state.sync_dir(folder)).await
    }

    async fn space(&self) -> io::Result<Space> {
        self.with(|state| {
            let used = state.used();
            Ok(Space { total: state.capacity, free: state.capacity.saturating_sub(used) })
        })
        .await
    }

    async fn file_system(&self) -> io::Result<u64> {
        self.with(|state| Ok(state.file_system)).await
    }
}

impl SimulatedDisk {
    fn handle(&self, inode: InodeId, access: Access) -> Arc<dyn DiskFile> {
        let (state, incarnation, hang) = (self.state.clone(), self.incarnation, self.hang.clone());
        Arc::new(SimulatedFile { state, incarnation, hang, inode, access, failed: AtomicBool::new(false) })
    }
}

impl SimulatedFile {
    async fn with<T>(&self, work: impl FnOnce(&mut DiskState) -> io::Result<T>) -> io::Result<T> {
        pause(&self.state, self.incarnation, &self.hang).await;
        let mut state = self.state.lock();
        state.check(self.incarnation)?;
        if self.failed.load(Ordering::Relaxed) {
            return Err(io::Error::other("file failed before"));
        }
        work(&mut state)
    }

    /// Passes a result on; an error closes the handle for good.
    fn settle(&self, result: io::Result<()>) -> io::Result<()> {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }

    fn check_aligned(&self, offset: u64, len: usize) -> io::Result<()> {
        let aligned = offset.is_multiple_of(DIRECT_ALIGN as u64) && len.is_multiple_of(DIRECT_ALIGN);
        if self.access == Access::Buffered || aligned {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "direct I/O off its alignment"))
    }
}

#[async_trait]
impl DiskFile for SimulatedFile {
    async fn write(&self, offset: u64, buffers: Vec<Bytes>, sync: bool) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        buffers.iter().for_each(|buffer| bytes.extend_from_slice(buffer));
        self.check_aligned(offset, bytes.len())?;
        self.settle(self.with(|state| state.write(self.inode, offset, &bytes)).await)?;
        if sync { self.sync().await } else { Ok(()) }
    }

    async fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.check_aligned(offset, len)?;
        self.with(|state| state.read(self.inode, offset, len)).await
    }

    async fn sync(&self) -> io::Result<()> {
        self.settle(self.with(|state| state.sync(self.inode)).await)
    }

    async fn len(&self) -> io::Result<u64> {
        self.with(|state| state.len(self.inode)).await
    }
}
