//! Memory of a connection for what waits to be opened, or to be sent.
//!
//! Promises: large while much passes, small again when little does.
//! Must not know: what the bytes are.

use std::ops::Range;

/// The least and the most that is held. Bytes.
const BYTES_MIN: usize = 8 << 10;
const BYTES_MAX: usize = 272 << 10;

/// After so many times in a row that little passed, the memory is halved.
const SMALL_TIMES_MAX: u32 = 8;

/// Bytes that come in at the end and are taken from the start.
pub(super) struct RecordBuffer {
    bytes: Vec<u8>,
    /// The place in `bytes` of those that wait.
    waiting: Range<usize>,
    /// The size that the buffer ought to have. Bytes.
    size: usize,
    small_times: u32,
}

impl RecordBuffer {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), waiting: 0..0, size: BYTES_MIN, small_times: 0 }
    }

    /// The bytes that wait.
    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.waiting.clone()).unwrap_or_default()
    }

    /// What was taken lies there until room is made.
    pub(super) fn at(&mut self, place: Range<usize>) -> &mut [u8] {
        self.bytes.get_mut(place).unwrap_or_default()
    }

    /// Takes that many of the bytes that wait, and tells where they lie.
    pub(super) fn take(&mut self, count: usize) -> Range<usize> {
        let start = self.waiting.start;
        self.waiting.start = start.saturating_add(count).min(self.waiting.end);
        start..self.waiting.start
    }

    /// RecordBuffer for more bytes.
    pub(super) fn spare(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.waiting.end..).unwrap_or_default()
    }

    /// That many were written into the room.
    pub(super) fn add(&mut self, count: usize) {
        self.waiting.end = self.waiting.end.saturating_add(count).min(self.bytes.len());
    }

    /// Makes room for `least` bytes with those that wait, or for as many as are usual.
    pub(super) fn make(&mut self, least: usize) {
        let (waiting, size) = (self.waiting.len(), self.size.max(least));
        if size > self.bytes.len() || (waiting == 0 && size < self.bytes.len()) {
            let mut bytes = vec![0; size];
            let taken = bytes.get_mut(..waiting).unwrap_or_default();
            taken.copy_from_slice(self.bytes.get(self.waiting.clone()).unwrap_or_default());
            self.bytes = bytes;
        } else {
            self.bytes.copy_within(self.waiting.clone(), 0);
        }
        self.waiting = 0..waiting;
    }

    /// Learns from so many bytes that passed at once, or would have.
    pub(super) fn learn(&mut self, count: usize) {
        if count > self.size {
            self.size = count.min(BYTES_MAX);
        }
        if count >= self.size / 4 {
            self.small_times = 0;
            return;
        }
        self.small_times = self.small_times.saturating_add(1);
        if self.small_times > SMALL_TIMES_MAX {
            self.size = (self.size / 2).max(BYTES_MIN);
            self.small_times = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(buffer: &mut RecordBuffer, bytes: &[u8]) {
        buffer.make(bytes.len() + buffer.waiting().len());
        buffer.spare()[..bytes.len()].copy_from_slice(bytes);
        buffer.add(bytes.len());
    }

    #[test]
    fn what_comes_in_is_taken_in_order() {
        let mut buffer = RecordBuffer::new();
        assert_eq!(buffer.take(3), 0..0);
        receive(&mut buffer, b"abcdef");
        let first = buffer.take(4);
        assert_eq!(buffer.at(first), b"abcd");
        assert_eq!(buffer.waiting(), b"ef");
        receive(&mut buffer, &[7; 20_000]);
        assert_eq!(buffer.waiting(), [b"ef", &[7; 20_000][..]].concat());
        assert_eq!(buffer.take(usize::MAX).len(), 20_002);
        assert!(buffer.waiting().is_empty());
    }

    #[test]
    fn it_grows_at_once_and_shrinks_slowly() {
        let mut buffer = RecordBuffer::new();
        buffer.make(1);
        assert_eq!(buffer.spare().len(), BYTES_MIN);
        buffer.learn(100_000);
        buffer.make(1);
        assert_eq!(buffer.spare().len(), 100_000);
        buffer.learn(usize::MAX);
        for _ in 0..SMALL_TIMES_MAX {
            buffer.learn(10);
            buffer.make(1);
            assert_eq!(buffer.spare().len(), BYTES_MAX);
        }
        for _ in 0..100 {
            buffer.learn(10);
            buffer.make(1);
        }
        assert_eq!(buffer.spare().len(), BYTES_MIN);
        buffer.make(20_000);
        assert_eq!(buffer.spare().len(), 20_000, "what is needed now is there");
    }
}
