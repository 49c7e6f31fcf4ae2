//! A client's connection: bytes in and out, with bounds on how long it may take none of ours, and how slowly it may
//! take them.
//!
//! Promises: a client that is answered before all that it sends has come finds the answer: what it sends beside is taken and
//! dropped for a while, for the system answers unread bytes with a reset, which takes the answer away with it.
//! Must not know: HTTP (but for what looks on).

use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};
use tokio::time::{Instant, Sleep};

use super::frame_guard::FrameGuard;
use super::guard::Guard;
use super::places::ConnectionPlace;
use super::progress::{Bounds, Progress};
use super::read_ahead::Reads;
use super::unparsed::{StandIn, Wording};
use crate::front::limits::pace::Pace;

/// So many bytes that come behind an answer are taken at most, and for so long.
const LINGER_BYTES_MAX: u64 = 32 << 20;
const LINGER_TIME_MAX: Duration = Duration::from_secs(2);

/// What looks on at what passes.
pub(super) enum Onlooker {
    /// At the heads of HTTP/1.
    Heads(Guard),
    /// At the frames of HTTP/2.
    Frames(FrameGuard),
}

impl Onlooker {
    /// The client sent these bytes next; an error ends the connection.
    fn received(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Heads(guard) => guard.observe(bytes),
            Self::Frames(guard) => guard.received(bytes)?,
        }
        Ok(())
    }

    /// So many bytes were sent to the client.
    fn sent(&mut self, bytes: usize) {
        match self {
            Self::Heads(_) => {}
            Self::Frames(guard) => guard.sent(bytes),
        }
    }
}

/// A connection that fails once its peer has taken nothing for a while, or too little, or sends what its onlooker
/// refuses.
pub(super) struct Connection<T> {
    stream: Take<T>,
    onlooker: Onlooker,
    /// How much is read at once; `None`: as much as is asked for.
    reads: Option<Reads>,
    place: ConnectionPlace,
    bounds: Bounds,
    pace: Pace,
    /// Since when a write waits, and what runs out meanwhile.
    waits: Option<(Instant, Pin<Box<Sleep>>)>,
    /// How far its only request at a time has come, and what stands in for what hyper answers by itself; of a connection with
    /// several requests there is neither.
    only: Option<(Progress, StandIn)>,
    /// Once nothing is written any more: until when, and how many bytes, what comes is taken and dropped.
    lingers: Option<(Pin<Box<Sleep>>, u64)>,
}

impl<T: AsyncRead> Connection<T> {
    pub(super) fn new(
        stream: T,
        onlooker: Onlooker,
        reads: Option<Reads>,
        place: ConnectionPlace,
        bounds: Bounds,
    ) -> Self {
        let (pace, waits, only, lingers) = (Pace::default(), None, None, None);
        Self { stream: stream.take(0), onlooker, reads, place, bounds, pace, waits, only, lingers }
    }

    /// It has one request at a time, which comes so far; a head that is refused before there is a request is answered so.
    pub(super) fn with(self, progress: Progress, wording: Wording) -> Self {
        Self { only: Some((progress, StandIn::new(wording))), ..self }
    }

    /// The outcome of a write or flush, which may fail because it waited for too long; `moved` are the bytes written.
    fn bound<R>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<R>>,
        moved: impl Fn(&R) -> usize,
    ) -> Poll<io::Result<R>> {
        let Bounds { stall, least } = self.bounds;
        if written.is_ready() {
            if let Poll::Ready(Ok(result)) = &written {
                self.pace.moved(moved(result) as u64);
                self.place.moved(moved(result));
                self.onlooker.sent(moved(result));
            }
            let waited = self.waits.take().map(|(since, _)| since.elapsed());
            if waited.is_some_and(|waited| self.pace.is_too_slow(waited, least)) {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            return written;
        }
        let (_, deadline) = self.waits.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(tokio::time::sleep_until(now + stall)))
        });
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> Connection<T> {
    /// Takes what still comes and drops it, until the client has closed, too, or for as long as that is done.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let begun = || (Box::pin(tokio::time::sleep(LINGER_TIME_MAX)), LINGER_BYTES_MAX);
        let (deadline, left) = self.lingers.get_or_insert_with(begun);
        let mut dropped = [MaybeUninit::uninit(); 16 << 10];
        while deadline.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::uninit(&mut dropped);
            self.stream.set_limit(*left);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            *left = left.saturating_sub(buffer.filled().len() as u64);
        }
        Poll::Ready(())
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let bytes_max = this.reads.as_ref().map_or(usize::MAX, Reads::bytes_max);
        this.stream.set_limit(bytes_max as u64);
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        this.reads.iter_mut().for_each(|reads| reads.read(read));
        this.place.moved(read);
        Poll::Ready(this.onlooker.received(buffer.filled().get(before..).unwrap_or_default()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Sends what stands in for these bytes of hyper's; `None`: nothing does.
    fn poll_stand_in(&mut self, context: &mut Context<'_>, hypers: &[u8]) -> Option<Poll<io::Result<()>>> {
        let (progress, stand_in) = self.only.as_mut()?;
        if progress.is_settled() {
            stand_in.begin(hypers);
        }
        stand_in.left()?;
        // The rest of what the client sends is never read.
        progress.answer_early();
        while let Some(left) =
            self.only.as_ref().and_then(|(_, stand_in)| stand_in.left()).filter(|left| !left.is_empty())
        {
            let written = Pin::new(self.stream.get_mut()).poll_write(context, left);
            match self.bound(context, written, |bytes| *bytes) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Err(ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(bytes)) => self.only.iter_mut().for_each(|(_, stand_in)| stand_in.sent(bytes)),
                Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
                Poll::Pending => return Some(Poll::Pending),
            }
        }
        Some(Poll::Ready(Ok(())))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(sent) = this.poll_stand_in(context, bytes) {
            return sent.map_ok(|()| bytes.len());
        }
        let written = Pin::new(this.stream.get_mut()).poll_write(context, bytes);
        this.bound(context, written, |bytes| *bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(this.stream.get_mut()).poll_flush(context);
        if flushed.is_ready() {
            this.only.iter().for_each(|(progress, _)| progress.flushed());
        }
        this.bound(context, flushed, |()| 0)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingers.is_none() {
            let shut = Pin::new(this.stream.get_mut()).poll_shutdown(context);
            ready!(this.bound(context, shut, |()| 0))?;
        }
        if this.only.as_ref().is_some_and(|(progress, _)| progress.is_early()) {
            ready!(this.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(sent) = this.poll_stand_in(context, slices.first().map_or(&[], |slice| slice)) {
            return sent.map_ok(|()| slices.iter().map(|slice| slice.len()).sum());
        }
        let written = Pin::new(this.stream.get_mut()).poll_write_vectored(context, slices);
        this.bound(context, written, |bytes| *bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }
}
