//! A response body as hyper takes it: of the length that was told, or the connection is cut.
//!
//! Must not know: what bodies hold.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::front::response::{BodyStream, ResponseBody, StreamError};
use crate::front::trace::{Stage, Trace};

/// A response's body on its way out. Its request ends, is counted and logged when it is dropped.
pub(super) struct Outgoing {
    left: u64,
    source: Unsent,
    trace: Trace,
}

enum Unsent {
    Bytes(Bytes),
    Stream(BodyStream),
}

impl Outgoing {
    pub(super) fn new(body: ResponseBody, trace: Trace) -> Self {
        let (left, source) = match body {
            ResponseBody::Empty => (0, Unsent::Bytes(Bytes::new())),
            ResponseBody::Bytes(bytes) => (bytes.len() as u64, Unsent::Bytes(bytes)),
            ResponseBody::Stream { len, stream } => (len, Unsent::Stream(stream)),
        };
        Self { left, source, trace }
    }

    fn broke(&mut self, error: StreamError) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        self.trace.broke_off(&error);
        self.left = 0;
        self.source = Unsent::Bytes(Bytes::new());
        Poll::Ready(Some(Err(error)))
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
        let next = match &mut self.source {
            Unsent::Bytes(bytes) => Some(Ok(std::mem::take(bytes))),
            Unsent::Stream(stream) => ready!(stream.as_mut().poll_next(context)),
        };
        let bytes = match next {
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => return self.broke(error),
            None => return self.broke(StreamError("the body ended early".into())),
        };
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            return self.broke(StreamError("the body is longer than told".into()));
        };
        self.left = left;
        self.trace.sent_bytes += bytes.len() as u64;
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
    }
}
