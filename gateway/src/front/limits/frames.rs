//! A body's frames, as few large pieces: what a frame costs is paid for by its sender's bytes.
//!
//! A chunk of HTTP/1's own chunked encoding, or a DATA frame of HTTP/2, may be a byte long. Such frames are gathered
//! while they come without a pause, so that what is done for each piece (hashing, shares, time-outs) is not done for each.
//!
//! Promises: what has come is given out before the client is waited for; a body of very many tiny frames is given up,
//! unless its client waited between them, as one does that passes on what another program writes bit by bit.
//! Must not know: what bodies are for.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Body as _;

use crate::engine::BodyError;

/// A body as the server hands it over.
pub type Incoming = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Frames are gathered until they are so many bytes.
const PIECE_BYTES: usize = 16 << 10;
/// So many tiny frames are taken, whatever their size.
pub(in crate::front) const TINY_FRAMES_MAX: u64 = 1 << 16;
/// Beyond these, frames that come without a pause have so many bytes on average.
pub(in crate::front) const FRAME_BYTES_MIN: u64 = 64;

/// The frames of a body.
pub(in crate::front) struct Frames {
    incoming: Incoming,
    gathered: BytesMut,
    /// A large frame that came after those that are gathered.
    next: Option<Bytes>,
    ended: bool,
    /// Whether the connection was given a turn to bring more since the last frame.
    had_turn: bool,
    /// Frames that came without a pause, and the bytes of all.
    in_a_row: u64,
    bytes: u64,
}

impl Frames {
    pub(in crate::front) fn new(incoming: Incoming) -> Self {
        let (gathered, in_a_row, bytes) = (BytesMut::new(), 0, 0);
        Self { incoming, gathered, next: None, ended: false, had_turn: false, in_a_row, bytes }
    }

    /// The next bytes, perhaps after a wait; `None` at the end. HTTP's own trailers mean nothing here and are dropped.
    /// `moved` hears of bytes as they come.
    pub(in crate::front) async fn piece(&mut self, mut moved: impl FnMut(usize)) -> Result<Option<Bytes>, BodyError> {
        poll_fn(|context| {
            let piece = self.poll_piece(context, &mut moved);
            if piece.is_ready() || self.gathered.is_empty() {
                return piece;
            }
            if std::mem::replace(&mut self.had_turn, true) {
                return Poll::Ready(Ok(self.gather()));
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    /// As [`Frames::piece`], if nothing has to be waited for.
    pub(in crate::front) fn piece_now(
        &mut self,
        mut moved: impl FnMut(usize),
    ) -> Option<Result<Option<Bytes>, BodyError>> {
        poll_fn(|context| self.poll_piece(context, &mut moved)).now_or_never()
    }

    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
        moved: &mut impl FnMut(usize),
    ) -> Poll<Result<Option<Bytes>, BodyError>> {
        if let Some(next) = self.next.take() {
            return Poll::Ready(Ok(Some(next)));
        }
        while !self.ended && self.gathered.len() < PIECE_BYTES {
            let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
            self.had_turn = false;
            let Some(frame) = frame else {
                self.ended = true;
                break;
            };
            let frame = frame.map_err(|error| BodyError::Disconnected(error.to_string()))?;
            let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) else { continue };
            self.ended = self.incoming.is_end_stream();
            moved(data.len());
            self.count(data.len())?;
            if data.len() < PIECE_BYTES {
                self.gathered.extend_from_slice(&data);
            } else if self.gathered.is_empty() {
                return Poll::Ready(Ok(Some(data)));
            } else {
                self.next = Some(data);
                break;
            }
        }
        Poll::Ready(Ok(self.gather()))
    }

    fn gather(&mut self) -> Option<Bytes> {
        self.had_turn = false;
        Some(self.gathered.split().freeze()).filter(|piece| !piece.is_empty())
    }

    /// A frame came; whether there are not too many, as small as they are.
    fn count(&mut self, bytes: usize) -> Result<(), BodyError> {
        // The first of a piece was waited for.
        self.in_a_row += u64::from(!self.gathered.is_empty());
        self.bytes += bytes as u64;
        if self.in_a_row > TINY_FRAMES_MAX + self.bytes / FRAME_BYTES_MIN {
            return Err(BodyError::Malformed("the body comes in too many tiny chunks"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use hyper::body::Frame;
    use tokio::time::sleep;

    use super::*;

    /// A body of these frames; before one that comes late the client pauses. As hyper does, it has the next frame only
    /// once it was asked for it.
    fn frames(frames: impl IntoIterator<Item = (bool, Bytes)>) -> Frames {
        let frames: VecDeque<_> = frames.into_iter().collect();
        let stream = futures_util::stream::unfold(frames, |mut frames| async move {
            let (is_late, bytes) = frames.pop_front()?;
            if is_late {
                sleep(Duration::from_millis(1)).await;
            } else {
                tokio::task::yield_now().await;
            }
            Some((Ok(Frame::data(bytes)), frames))
        });
        Frames::new(http_body_util::BodyExt::boxed_unsync(http_body_util::StreamBody::new(stream)))
    }

    async fn pieces(mut frames: Frames) -> Result<Vec<Bytes>, BodyError> {
        let mut pieces = Vec::new();
        while let Some(piece) = frames.piece(|_| ()).await? {
            pieces.push(piece);
        }
        Ok(pieces)
    }

    #[tokio::test]
    async fn small_frames_are_gathered_and_large_ones_are_not_touched() {
        let large = Bytes::from(vec![b'l'; PIECE_BYTES]);
        let small = (0..100).map(|_| (false, Bytes::from_static(b"s")));
        let found =
            pieces(frames(small.chain([(false, large.clone()), (true, Bytes::from_static(b"e"))]))).await.unwrap();
        assert_eq!(found, [Bytes::from(vec![b's'; 100]), large.clone(), Bytes::from_static(b"e")]);
        assert_eq!(found[1].as_ptr(), large.as_ptr());
    }

    #[tokio::test]
    async fn what_has_come_is_given_out_before_the_client_is_waited_for() {
        let parts = ["a", "b", "c", "d"].map(|part| (part == "c", Bytes::from_static(part.as_bytes())));
        assert_eq!(pieces(frames(parts)).await.unwrap(), ["ab", "cd"]);
    }

    #[tokio::test(start_paused = true)]
    async fn many_tiny_frames_are_refused_unless_the_client_waited_between_them() {
        let tiny = |is_late, count| (0..count).map(move |_| (is_late, Bytes::from_static(b"x")));
        assert!(matches!(pieces(frames(tiny(false, 100_000))).await, Err(BodyError::Malformed(_))));
        let found = pieces(frames(tiny(true, 100_000))).await.unwrap();
        assert_eq!(found.iter().map(Bytes::len).sum::<usize>(), 100_000);
    }

    #[tokio::test]
    async fn frames_of_a_packet_are_never_too_small() {
        let packets = (0..100_000).map(|_| (false, Bytes::from_static(&[b'p'; 100])));
        assert!(pieces(frames(packets)).await.is_ok());
    }
}
