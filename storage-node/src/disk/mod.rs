//! The seam below segments and logs: files on one drive.
//!
//! Promises of every `Disk`: a write is durable only after a later `sync` on the same file (or a
//! write with `sync: true`) has succeeded; a file's name is durable only after `sync_dir`; after a
//! failed sync the caller must close the file for good, for what it holds is unknown. A crash keeps
//! any subset of the unsynced sectors. `simulated` is the fake that does all of this on purpose.
//! Must not know: what the bytes mean.

pub(crate) mod copies;
pub mod files;
mod pieces;
mod replace;
mod shortage;
#[cfg(feature = "testing")]
pub mod simulated;
mod watched;

use std::io;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bytes::Bytes;

pub(crate) use copies::{read_copies, write_copies};
pub(crate) use replace::replace;
pub(crate) use shortage::{PAUSE, is_out_of_files, is_out_of_space, when_files_are_left, when_there_is_room};
pub(crate) use watched::{CALL_TIME_MAX, CallWatch, WatchedDisk};

/// How a file is used. Buffered and direct I/O never meet on one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Through the page cache; any offset and length.
    Buffered,
    /// O_DIRECT; offsets, lengths and buffers are multiples of [`DIRECT_ALIGN`].
    Direct,
}

/// Alignment of direct I/O, in bytes.
pub const DIRECT_ALIGN: usize = 4096;

/// Space on a drive, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What the drive can hold.
    pub total: u64,
    /// What is free.
    pub free: u64,
}

/// The files of one drive. Paths are relative to the drive's folder, with `/` between parts.
#[async_trait]
pub trait Disk: Send + Sync + 'static {
    /// Makes a new file of `len` bytes (allocated, reading as zeroes) and opens it; fails if it exists.
    async fn create(&self, path: &str, len: u64, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that exists.
    async fn open(&self, path: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// The names in a folder, sorted; a folder that does not exist has none.
    async fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Makes a folder and those above it, durably; fine if it exists.
    async fn create_folder(&self, folder: &str) -> io::Result<()>;

    /// Removes a file; its space is free once its last handle is gone.
    async fn remove(&self, path: &str) -> io::Result<()>;

    /// Renames a file, replacing what is there.
    async fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes the names in a folder durable.
    async fn sync_dir(&self, folder: &str) -> io::Result<()>;

    /// The drive's space.
    async fn space(&self) -> io::Result<Space>;

    /// A number for the file system that the drive's folder is on; another one is another file system.
    async fn file_system(&self) -> io::Result<u64>;

    /// Lives as long as the disk or a file of it is in use: until then the folder is locked. Memory has no folder.
    fn in_use(&self) -> Weak<()> {
        Weak::new()
    }
}

/// An open file. After a failed sync, or a write that failed half way, it refuses everything: what
/// the medium holds is unknown, and a later sync could answer for bytes that the kernel has dropped.
/// A call that is dropped half way may still take effect.
#[async_trait]
#[expect(clippy::len_without_is_empty, reason = "nobody asks whether a file is empty")]
pub trait DiskFile: Send + Sync + 'static {
    /// Writes the buffers one after another from `offset`; with `sync`, makes everything written to
    /// the file so far durable before it returns (one trip, one fdatasync).
    async fn write(&self, offset: u64, buffers: Vec<Bytes>, sync: bool) -> io::Result<()>;

    /// Reads exactly `len` bytes; `UnexpectedEof` past the end.
    async fn read(&self, offset: u64, len: usize) -> io::Result<Bytes>;

    /// Makes everything written so far durable.
    async fn sync(&self) -> io::Result<()>;

    /// The file's length in bytes.
    async fn len(&self) -> io::Result<u64>;
}
