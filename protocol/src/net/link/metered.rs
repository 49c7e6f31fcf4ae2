//! A socket that counts what passes, and takes what is ready in few system calls.
//!
//! TLS asks for 4 KiB at a time, whatever is there. The buffer grows while much comes and shrinks
//! when little does, so that a connection that rests holds little.
//! Must not know: what passes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The least and the most that is read at once. Bytes.
const READ_BYTES_MIN: usize = 8 << 10;
const READ_BYTES_MAX: usize = 256 << 10;
/// After so many small reads in a row the buffer shrinks.
const SMALL_READS_MAX: u32 = 8;

/// What passed through a connection so far.
#[derive(Default)]
pub(in crate::net) struct Progress {
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    /// Whether the sender waits for the kernel.
    pub(super) sending: AtomicBool,
    /// Whether a pong waits to be sent: one is enough.
    pub(super) pong: AtomicBool,
}

/// A socket, counted.
pub(in crate::net) struct Metered<S> {
    inner: S,
    progress: Arc<Progress>,
    buffer: Vec<u8>,
    /// The bytes of the buffer that wait.
    start: usize,
    end: usize,
    /// How large the buffer ought to be. Bytes.
    size: usize,
    small_reads: u32,
}

impl<S> Metered<S> {
    pub(in crate::net) fn new(inner: S) -> Self {
        let progress = Arc::default();
        Self { inner, progress, buffer: Vec::new(), start: 0, end: 0, size: READ_BYTES_MIN, small_reads: 0 }
    }

    pub(in crate::net) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Learns from a read of `count` bytes how large the buffer ought to be.
    fn learn(&mut self, count: usize) {
        if count == self.buffer.len() {
            self.size = self.size.saturating_mul(2).min(READ_BYTES_MAX);
        }
        if count >= self.buffer.len() / 4 {
            self.small_reads = 0;
            return;
        }
        self.small_reads = self.small_reads.saturating_add(1);
        if self.small_reads > SMALL_READS_MAX {
            self.size = (self.size / 2).max(READ_BYTES_MIN);
            self.small_reads = 0;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.start == this.end {
            if this.buffer.len() != this.size {
                this.buffer = vec![0; this.size];
            }
            let mut into = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut into))?;
            let count = into.filled().len();
            (this.start, this.end) = (0, count);
            this.progress.received.fetch_add(count as u64, Ordering::Relaxed);
            this.learn(count);
        }
        let waiting = this.buffer.get(this.start..this.end).unwrap_or_default();
        let taken = waiting.get(..out.remaining()).unwrap_or(waiting);
        out.put_slice(taken);
        this.start = this.start.saturating_add(taken.len());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Metered<S> {
    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = written {
            self.progress.sent.fetch_add(count as u64, Ordering::Relaxed);
        }
        written
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
