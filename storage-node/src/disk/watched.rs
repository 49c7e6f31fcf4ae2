//! The calls that are under way at a drive, and for how long: by them a drive that hangs is known.
//!
//! A disk that hangs reports no error: its calls do not come back. Every call that may wait for the medium is begun
//! here with the time that it may take. None is cut short: what becomes of it only the medium knows.
//! Promises: a call counts as under way until it has come back, or until nobody waits for it any more.
//! Must not know: what follows from a drive that hangs, which calls those are.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Access, Disk, DiskFile, Space};

/// How long a call may take that reads or writes little, or makes it durable.
pub(crate) const CALL_TIME_MAX: Duration = Duration::from_secs(5);

/// The calls under way at one drive. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct CallWatch(Arc<Mutex<Calls>>);

#[derive(Default)]
struct Calls {
    next: u64,
    /// By when each call is due.
    due: BTreeMap<u64, Instant>,
}

/// A call under way; dropped when it has come back.
pub(crate) struct CallUnderWay {
    calls: CallWatch,
    number: u64,
}

impl CallWatch {
    /// A call begins, which ought to come back within `time_max`.
    pub(crate) fn begin(&self, time_max: Duration) -> CallUnderWay {
        let mut calls = self.0.lock();
        let number = calls.next;
        calls.next = calls.next.wrapping_add(1);
        calls.due.insert(number, Instant::now() + time_max);
        CallUnderWay { calls: self.clone(), number }
    }

    /// Whether a call ought to have come back by now.
    pub(crate) fn has_overdue(&self) -> bool {
        let now = Instant::now();
        self.0.lock().due.values().any(|due| *due <= now)
    }
}

impl Drop for CallUnderWay {
    fn drop(&mut self) {
        self.calls.0.lock().due.remove(&self.number);
    }
}

/// A disk whose calls are watched.
pub(crate) struct WatchedDisk {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) calls: CallWatch,
}

impl WatchedDisk {
    fn begin(&self) -> CallUnderWay {
        self.calls.begin(CALL_TIME_MAX)
    }

    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(WatchedFile { file, calls: self.calls.clone() })
    }
}

#[async_trait]
impl Disk for WatchedDisk {
    async fn create(&self, path: &str, len: u64, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let _call = self.begin();
        Ok(self.file(self.disk.create(path, len, access).await?))
    }

    async fn open(&self, path: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let _call = self.begin();
        Ok(self.file(self.disk.open(path, access).await?))
    }

    async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let _call = self.begin();
        self.disk.list(folder).await
    }

    async fn create_folder(&self, folder: &str) -> io::Result<()> {
        let _call = self.begin();
        self.disk.create_folder(folder).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        let _call = self.begin();
        self.disk.remove(path).await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let _call = self.begin();
        self.disk.rename(from, to).await
    }

    async fn sync_dir(&self, folder: &str) -> io::Result<()> {
        let _call = self.begin();
        self.disk.sync_dir(folder).await
    }

    async fn space(&self) -> io::Result<Space> {
        let _call = self.begin();
        self.disk.space().await
    }

    async fn file_system(&self) -> io::Result<u64> {
        let _call = self.begin();
        self.disk.file_system().await
    }

    fn in_use(&self) -> std::sync::Weak<()> {
        self.disk.in_use()
    }
}

/// A file of it.
struct WatchedFile {
    file: Arc<dyn DiskFile>,
    calls: CallWatch,
}

#[async_trait]
impl DiskFile for WatchedFile {
    async fn write(&self, offset: u64, buffers: Vec<Bytes>, sync: bool) -> io::Result<()> {
        let _call = self.calls.begin(CALL_TIME_MAX);
        self.file.write(offset, buffers, sync).await
    }

    async fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let _call = self.calls.begin(CALL_TIME_MAX);
        self.file.read(offset, len).await
    }

    async fn sync(&self) -> io::Result<()> {
        let _call = self.calls.begin(CALL_TIME_MAX);
        self.file.sync().await
    }

    async fn len(&self) -> io::Result<u64> {
        let _call = self.calls.begin(CALL_TIME_MAX);
        self.file.len().await
    }
}
