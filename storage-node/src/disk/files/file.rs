//! One open file of the real disk.
//!
//! Promises: as `DiskFile`. A write and its fdatasync are one trip to a blocking thread; a short read
//! that the page cache can answer takes no trip at all.
//! Must not know: names, folders.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use couronne_base::buffer::{AlignedBuffer, BUFFER_ALIGN};
use rustix::io::{Errno, ReadWriteFlags};

use super::{Root, blocking};
use crate::disk::{Access, DIRECT_ALIGN, DiskFile, pieces};

/// The most buffers of one system call (Linux: IOV_MAX).
const BUFFERS_PER_CALL: usize = 1024;

/// Reads up to this many bytes are tried on the async thread first, without waiting for the disk.
const TRY_BYTES_MAX: usize = 64 << 10;

/// An open file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) fd: OwnedFd,
    access: Access,
    failed: AtomicBool,
    /// Keeps the folder's lock while the file is in use.
    root: Arc<Root>,
}

/// What the users of a file hold; calls under way hold the file itself.
#[derive(Debug)]
pub(super) struct Handle(pub(super) Arc<OpenFile>);

impl OpenFile {
    pub(super) fn new(fd: OwnedFd, access: Access, root: Arc<Root>) -> Self {
        Self { fd, access, failed: AtomicBool::new(false), root }
    }

    fn check(&self) -> io::Result<()> {
        if self.failed.load(Ordering::Acquire) { Err(io::Error::other("file failed before")) } else { Ok(()) }
    }

    /// Passes a result on; an error closes the file for good.
    fn settle<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.failed.store(true, Ordering::Release);
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

    fn write_all(&self, mut offset: u64, mut buffers: Vec<Bytes>) -> io::Result<()> {
        buffers.retain(|buffer| !buffer.is_empty());
        let mut done = 0;
        while done < buffers.len() {
            let rest = buffers.iter().skip(done).take(BUFFERS_PER_CALL);
            let slices: Vec<IoSlice<'_>> = rest.map(|buffer| IoSlice::new(buffer)).collect();
            let mut written = match rustix::io::pwritev(&self.fd, &slices, offset) {
                Err(Errno::INTR) => continue,
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                other => other?,
            };
            offset += written as u64;
            for buffer in buffers.iter_mut().skip(done) {
                let part = written.min(buffer.len());
                buffer.advance(part);
                written -= part;
                if !buffer.is_empty() {
                    break;
                }
                done += 1;
            }
        }
        Ok(())
    }

    fn read_all(&self, mut offset: u64, len: usize) -> io::Result<Bytes> {
        let mut buffer = AlignedBuffer::with_capacity(len);
        while buffer.len() < len {
            let missing = len - buffer.len();
            let read = buffer.fill(missing, |spare| Ok(rustix::io::pread(&self.fd, spare, offset)?.0));
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                other => offset += other? as u64,
            }
        }
        Ok(buffer.freeze())
    }

    /// The bytes, if the page cache has them all.
    fn read_cached(&self, offset: u64, len: usize) -> Option<Bytes> {
        let mut bytes = vec![0; len];
        let slices = &mut [IoSliceMut::new(&mut bytes)];
        let read = rustix::io::preadv2(&self.fd, slices, offset, ReadWriteFlags::NOWAIT).ok()?;
        (read == len).then(|| bytes.into())
    }
}

#[async_trait]
impl DiskFile for Handle {
    async fn write(&self, offset: u64, buffers: Vec<Bytes>, sync: bool) -> io::Result<()> {
        self.0.check()?;
        self.0.check_aligned(offset, buffers.iter().map(Bytes::len).sum())?;
        let file = self.0.clone();
        blocking(move || {
            let buffers = match file.access {
                Access::Buffered => buffers,
                Access::Direct => pieces::aligned(buffers, BUFFER_ALIGN),
            };
            file.settle(file.write_all(offset, buffers))?;
            if sync {
                file.check()?;
                file.settle(rustix::fs::fdatasync(&file.fd).map_err(io::Error::from))?;
            }
            Ok(())
        })
        .await
    }

    async fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.0.check()?;
        self.0.check_aligned(offset, len)?;
        if self.0.access == Access::Buffered
            && len <= TRY_BYTES_MAX
            && let Some(bytes) = self.0.read_cached(offset, len)
        {
            return Ok(bytes);
        }
        let permit = Arc::clone(&self.0.root.reads).acquire_owned().await.map_err(io::Error::other)?;
        let file = self.0.clone();
        blocking(move || {
            // Given back when the call comes back, not when nobody waits for it any more.
            let _permit = permit;
            file.read_all(offset, len)
        })
        .await
    }

    async fn sync(&self) -> io::Result<()> {
        self.write(0, Vec::new(), true).await
    }

    async fn len(&self) -> io::Result<u64> {
        let file = self.0.clone();
        blocking(move || {
            let len = rustix::fs::fstat(&file.fd)?.st_size;
            u64::try_from(len).map_err(io::Error::other)
        })
        .await
    }
}
