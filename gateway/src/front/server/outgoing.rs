//! A response body as hyper takes it: of the length that was told, or the connection is cut.
//!
//! Over HTTP/2 it is given in small pieces, and the last of them is tiny and a copy: a piece is asked for only once the
//! client has room for all before it, so what a client that stops reading can keep is one piece, and none at all once
//! the stream's task has ended.
//! Must not know: what bodies hold.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::places::Busy;
use super::progress::Progress;
use crate::front::limits::under_way::{AwaitsClient, UnderWay};
use crate::front::response::{BodyStream, ResponseBody, StreamError};
use crate::front::trace::{Stage, Trace};

/// The largest piece that is given at once over HTTP/2. Bytes.
const H2_PIECE_BYTES_MAX: usize = 64 << 10;
/// The largest last piece over HTTP/2. Bytes.
const H2_LAST_BYTES_MAX: usize = 1 << 10;

/// A response's body on its way out. Its request ends, is counted and logged when it is dropped.
pub(super) struct Outgoing {
    left: u64,
    source: Unsent,
    /// What of the source's bytes was not given yet.
    rest: Bytes,
    trace: Trace,
    // Dropped before the request, at whose end the connection is idle.
    _awaits_client: Option<AwaitsClient>,
    request: Answered,
}

/// The request that is answered.
pub(super) struct Answered {
    pub(super) progress: Progress,
    pub(super) under_way: Option<UnderWay>,
    /// Until when it has to be answered.
    pub(super) deadline: Instant,
    pub(super) is_h2: bool,
    /// Its connection is not silent.
    pub(super) _busy: Busy,
}

enum Unsent {
    Bytes(Bytes),
    Stream(BodyStream),
}

impl Outgoing {
    pub(super) fn new(body: ResponseBody, trace: Trace, request: Answered) -> Self {
        let (left, source) = match body {
            ResponseBody::Empty => (0, Unsent::Bytes(Bytes::new())),
            ResponseBody::Bytes(bytes) => (bytes.len() as u64, Unsent::Bytes(bytes)),
            ResponseBody::Stream { len, stream } => (len, Unsent::Stream(stream)),
        };
        let awaits_client = request.under_way.as_ref().map(UnderWay::await_client);
        request.progress.send();
        Self { left, source, rest: Bytes::new(), trace, request, _awaits_client: awaits_client }
    }

    fn broke(&mut self, error: StreamError) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        self.trace.broke_off(&error);
        self.left = 0;
        self.rest = Bytes::new();
        self.source = Unsent::Bytes(Bytes::new());
        Poll::Ready(Some(Err(error)))
    }

    /// What is given at once of the bytes that are here.
    fn piece(&mut self) -> Bytes {
        let len = self.rest.len();
        if !self.request.is_h2 {
            return std::mem::take(&mut self.rest);
        }
        if self.left == len as u64 && len <= H2_LAST_BYTES_MAX {
            return Bytes::copy_from_slice(&std::mem::take(&mut self.rest));
        }
        let all_but_last = if self.left == len as u64 { len.saturating_sub(H2_LAST_BYTES_MAX) } else { len };
        self.rest.split_to(all_but_last.min(H2_PIECE_BYTES_MAX))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        // What is at hand is what tells the client so.
        if matches!(self.source, Unsent::Stream(_)) && Instant::now() >= self.request.deadline {
            return self.broke(StreamError("the request takes too long".into()));
        }
        self.request.progress.asked();
        while self.rest.is_empty() {
            let next = match &mut self.source {
                Unsent::Bytes(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()).map(Ok),
                Unsent::Stream(stream) => ready!(stream.as_mut().poll_next(context)),
            };
            match next {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => return self.broke(error),
                None => return self.broke(StreamError("the body ended early".into())),
            }
            if self.rest.len() as u64 > self.left {
                return self.broke(StreamError("the body is longer than told".into()));
            }
        }
        let bytes = self.piece();
        self.left = self.left.saturating_sub(bytes.len() as u64);
        self.trace.sent_bytes += bytes.len() as u64;
        self.request.progress.given(bytes.len());
        self.request.under_way.iter().for_each(|under_way| under_way.moved(bytes.len()));
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.trace.passed(Stage::Respond);
        self.request.progress.end();
    }
}
