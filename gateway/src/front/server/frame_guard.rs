//! A look at the frames of an HTTP/2 client before hyper parses them: those that carry neither a request nor data are
//! bounded, of whatever kind they are.
//!
//! A WINDOW_UPDATE, a SETTINGS, a PING, a PRIORITY, a RST_STREAM or a frame of no known kind costs its sender a few
//! bytes and us a turn each, for as long as the sender likes. Honest clients send many, but beside something else:
//! what a connection moves in either direction pays for them, and so do its requests and time. [`TINY_FRAMES_MAX`] of
//! them are free.
//!
//! Not bounded here, for h2 does it: frames of one head (CONTINUATION), streams that are reset before they are served,
//! DATA of streams that are gone. DATA of a few bytes is bounded with its body (`limits::frames`).
//!
//! Promises: reads frames' headers only, skips payloads by their length; never changes what passes. The connection ends
//! without a GOAWAY, which nothing but h2 can write between its own frames.
//! Must not know: anything else of HTTP/2.

use std::io;

use tokio::time::Instant;

use crate::front::limits::frames::{FRAME_BYTES_MIN, TINY_FRAMES_MAX};

const PREFACE_BYTES: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
const HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// The most that is kept for frames that carry nothing: so much moves while what is paid for is still on its way.
/// Bytes.
const CREDIT_BYTES_MAX: u64 = TINY_FRAMES_MAX * FRAME_BYTES_MIN;
/// What a request pays for: its own window updates and resets, whatever its size. Bytes.
const CREDIT_BYTES_A_REQUEST: u64 = 16 * FRAME_BYTES_MIN;
/// What time pays for: a connection at rest may be asked whether it lives. Bytes a second.
const CREDIT_BYTES_A_SECOND: u64 = 100 * FRAME_BYTES_MIN;

/// Follows the bytes of a connection.
pub(super) struct FrameGuard {
    position: Position,
    /// The newest stream that the client opened.
    stream: u32,
    /// What frames that carry nothing are paid with. Bytes.
    credit_bytes: u64,
    /// Until when time has paid.
    paid_until: Instant,
}

/// Where in what a client sends the next byte stands.
enum Position {
    Preface { left: usize },
    Header { bytes: [u8; HEADER_BYTES], filled: usize },
    Payload { left: usize },
}

impl FrameGuard {
    pub(super) fn new() -> Self {
        let position = Position::Preface { left: PREFACE_BYTES };
        Self { position, stream: 0, credit_bytes: CREDIT_BYTES_MAX, paid_until: Instant::now() }
    }

    /// The client sent these bytes next; an error if too many of its frames carry nothing.
    pub(super) fn received(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = match &mut self.position {
                Position::Preface { left } | Position::Payload { left } => {
                    let taken = bytes.len().min(*left);
                    *left = left.saturating_sub(taken);
                    if *left == 0 {
                        self.position = Position::next();
                    }
                    taken
                }
                Position::Header { bytes: header, filled } => {
                    let free = header.iter_mut().skip(*filled);
                    let taken = free.zip(bytes).map(|(free, byte)| *free = *byte).count();
                    *filled = filled.saturating_add(taken);
                    if *filled == HEADER_BYTES {
                        let header = *header;
                        self.frame(header)?;
                    }
                    taken
                }
            };
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// So many bytes were sent to the client.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.earn(bytes as u64);
    }

    /// A frame begins.
    fn frame(&mut self, [a, b, c, kind, _, stream @ ..]: [u8; HEADER_BYTES]) -> io::Result<()> {
        let payload = u32::from_be_bytes([0, a, b, c]);
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        self.position = match usize::try_from(payload) {
            Ok(left) if left > 0 => Position::Payload { left },
            _ => Position::next(),
        };
        match kind {
            DATA if payload > 0 => self.earn(payload.into()),
            HEADERS if stream > self.stream => {
                self.stream = stream;
                self.earn(CREDIT_BYTES_A_REQUEST);
            }
            CONTINUATION => {}
            _ => return self.pay(),
        }
        Ok(())
    }

    fn earn(&mut self, bytes: u64) {
        self.credit_bytes = self.credit_bytes.saturating_add(bytes).min(CREDIT_BYTES_MAX);
    }

    /// A frame that carries nothing.
    fn pay(&mut self) -> io::Result<()> {
        if self.credit_bytes < FRAME_BYTES_MIN {
            self.earn_of_time();
        }
        let left = self.credit_bytes.checked_sub(FRAME_BYTES_MIN);
        self.credit_bytes = left.ok_or_else(|| io::Error::other("too many frames carry neither a request nor data"))?;
        Ok(())
    }

    fn earn_of_time(&mut self) {
        let now = Instant::now();
        let micros = u64::try_from(now.duration_since(self.paid_until).as_micros()).unwrap_or(u64::MAX);
        let bytes = micros.saturating_mul(CREDIT_BYTES_A_SECOND) / 1_000_000;
        // What is less than a byte is paid later.
        if bytes > 0 {
            self.paid_until = now;
            self.earn(bytes);
        }
    }
}

impl Position {
    /// At the beginning of a frame.
    const fn next() -> Self {
        Self::Header { bytes: [0; HEADER_BYTES], filled: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;

    fn frame(kind: u8, stream: u32, payload: usize) -> Vec<u8> {
        let [_, len @ ..] = u32::try_from(payload).unwrap().to_be_bytes();
        [&len[..], &[kind, 0], &stream.to_be_bytes(), &vec![0; payload]].concat()
    }

    fn connected() -> FrameGuard {
        let mut guard = FrameGuard::new();
        guard.received(&[b'p'; PREFACE_BYTES]).unwrap();
        guard
    }

    /// How many of these frames pass, of a few more than are free.
    fn passed(guard: &mut FrameGuard, sent: &[u8]) -> u64 {
        let passed = (0..TINY_FRAMES_MAX + 10).take_while(|_| guard.received(sent).is_ok()).count() as u64;
        // The connection has ended, but for the test.
        guard.position = Position::next();
        passed
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_every_kind_that_carry_nothing_are_bounded() {
        for kind in (0..=u8::MAX).filter(|kind| *kind != CONTINUATION) {
            let payload = if kind == DATA { 0 } else { 8 };
            // As HEADERS of a stream that there has been.
            let mut guard = connected();
            guard.stream = 1;
            assert_eq!(passed(&mut guard, &frame(kind, 1, payload)), TINY_FRAMES_MAX, "{kind}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_moved_pays_and_so_do_requests() {
        let mut guard = connected();
        assert_eq!(passed(&mut guard, &frame(PING, 0, 8)), TINY_FRAMES_MAX);
        guard.sent(10 * 64);
        assert_eq!(passed(&mut guard, &frame(PING, 0, 8)), 10);
        guard.received(&frame(DATA, 1, 20 * 64)).unwrap();
        assert_eq!(passed(&mut guard, &frame(PING, 0, 8)), 20);
        guard.received(&frame(HEADERS, 1, 30)).unwrap();
        assert_eq!(passed(&mut guard, &frame(PING, 0, 8)), 16);
        // Answers to them do not pay for more.
        guard.sent(17);
        assert_eq!(passed(&mut guard, &frame(PING, 0, 8)), 0);
        // Nothing is kept beyond a bound.
        guard.sent(usize::MAX);
        assert_eq!(passed(&mut guard, &frame(WINDOW_UPDATE, 0, 4)), TINY_FRAMES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_asked_for_days_whether_it_lives_stays() {
        let mut guard = connected();
        for _ in 0..2 * 24 * 3600 {
            tokio::time::advance(Duration::from_secs(1)).await;
            guard.received(&frame(PING, 0, 8)).unwrap();
        }
    }

    proptest! {
        #[test]
        fn however_bytes_come_the_same_frames_are_counted(
            frames in prop::collection::vec((0u8..12, 0u32..4, 0usize..40), 0..30),
            piece in 1usize..50,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let _entered = runtime.enter();
            let (mut expected, mut stream) = (CREDIT_BYTES_MAX / 2, 0);
            let mut wire = vec![b'p'; PREFACE_BYTES];
            for (kind, of, payload) in &frames {
                wire.extend(frame(*kind, *of, *payload));
                expected = match *kind {
                    DATA if *payload > 0 => expected + *payload as u64,
                    HEADERS if *of > stream => expected + CREDIT_BYTES_A_REQUEST,
                    CONTINUATION => expected,
                    _ => expected - FRAME_BYTES_MIN,
                };
                stream = if *kind == HEADERS { stream.max(*of) } else { stream };
            }
            let mut guard = FrameGuard::new();
            guard.credit_bytes = CREDIT_BYTES_MAX / 2;
            wire.chunks(piece).for_each(|piece| guard.received(piece).unwrap());
            prop_assert_eq!(guard.credit_bytes, expected);
        }
    }
}
