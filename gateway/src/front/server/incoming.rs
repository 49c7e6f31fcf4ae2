//! A request body as it comes from hyper: counted, and not torn off.
//!
//! A client that gets its answer while it still sends may see a reset connection instead of the answer.
//! So what an operation left unread comes back here, and a bounded rest of it is read and thrown away
//! before the answer goes out. A body that was never asked for (`Expect: 100-continue`) stays unasked.
//! Must not know: what bodies are for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use parking_lot::Mutex;

/// How much of a refused body is read, in bytes and in frames, and for how long.
const REST_BYTES_MAX: u64 = 1 << 20;
const REST_FRAMES_MAX: u32 = 1 << 12;
const REST_TIME_MAX: Duration = Duration::from_secs(2);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What became of a request's body.
#[derive(Clone, Default)]
pub(super) struct BodyTracker(Arc<Tracked>);

#[derive(Default)]
struct Tracked {
    received_bytes: AtomicU64,
    left: Mutex<Option<hyper::body::Incoming>>,
}

impl BodyTracker {
    /// Bytes received so far, as framed.
    pub(super) fn received_bytes(&self) -> u64 {
        self.0.received_bytes.load(Ordering::Relaxed)
    }

    /// Reads what was left of the body, within bounds; whether its end was reached.
    pub(super) async fn drain(&self) -> bool {
        let Some(mut body) = self.0.left.lock().take() else { return true };
        if body.size_hint().lower() > REST_BYTES_MAX {
            return false;
        }
        let rest = async {
            let (mut left, mut frames) = (REST_BYTES_MAX, 0);
            while let Some(Ok(frame)) = body.frame().await {
                frames += 1;
                if frames > REST_FRAMES_MAX {
                    return false;
                }
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                match left.checked_sub(bytes) {
                    Some(less) => left = less,
                    None => return false,
                }
            }
            body.is_end_stream()
        };
        tokio::time::timeout(REST_TIME_MAX, rest).await.unwrap_or(false)
    }
}

/// A request's body, from hyper.
pub(super) struct FromHyper {
    body: Option<hyper::body::Incoming>,
    tracker: BodyTracker,
}

impl FromHyper {
    pub(super) const fn new(body: hyper::body::Incoming, tracker: BodyTracker) -> Self {
        Self { body: Some(body), tracker }
    }
}

impl Body for FromHyper {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.tracker.0.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        } else {
            self.body = None;
        }
        Poll::Ready(frame.map(|result| result.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for FromHyper {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.tracker.0.left.lock() = Some(body);
        }
    }
}
