//! Aligned buffers: bytes received once, and written to a drive from where they lie.
//!
//! Promises: memory starts at a multiple of [`BUFFER_ALIGN`], grows without losing that, and freezes
//! into `Bytes` without a copy; no byte is readable before it was written.
//! Must not know: the code that fills it and drains it.

mod block;

use std::io;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::copy_nonoverlapping;

use bytes::buf::UninitSlice;
use bytes::{BufMut, Bytes};

use self::block::Block;

/// Where buffers start: what O_DIRECT asks for on every file system we know. Bytes.
pub const BUFFER_ALIGN: usize = 4096;

/// The memory of all buffers of the process, in bytes: their capacity, whether or not it is filled.
pub fn buffers_bytes() -> usize {
    Block::taken_bytes()
}

/// A growable buffer for direct I/O. Capacity is a multiple of [`BUFFER_ALIGN`].
pub struct AlignedBuffer {
    block: Block,
    /// How many bytes of the block, from its start on, were written.
    len: usize,
}

impl AlignedBuffer {
    /// An empty buffer that takes `capacity` bytes (rounded up) before it grows.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { block: Block::take(capacity), len: 0 }
    }

    /// Makes room for `additional` more bytes.
    pub fn reserve(&mut self, additional: usize) {
        let needed = self.len.saturating_add(additional);
        if needed <= self.capacity() {
            return;
        }
        let block = Block::take(needed.max(self.capacity().saturating_mul(2)));
        // SAFETY: both hold at least `len` bytes, the old ones are initialised, and blocks never overlap.
        unsafe { copy_nonoverlapping(self.block.start(), block.start(), self.len) };
        std::mem::replace(&mut self.block, block).give_back();
    }

    /// Appends `bytes`.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        // SAFETY: there is room for `bytes`, and a borrowed slice cannot lie in memory we own mutably.
        unsafe { copy_nonoverlapping(bytes.as_ptr(), self.block.start().add(self.len), bytes.len()) };
        self.len += bytes.len();
    }

    /// Appends zeroes until the length is a multiple of `unit` (not 0) bytes.
    pub fn pad_to_multiple(&mut self, unit: usize) {
        self.extend_zeroes(self.len.next_multiple_of(unit) - self.len);
    }

    /// Appends `count` zeroes.
    pub fn extend_zeroes(&mut self, count: usize) {
        self.reserve(count);
        // SAFETY: there is room for `count` bytes after `len`.
        unsafe { self.block.start().add(self.len).write_bytes(0, count) };
        self.len += count;
    }

    /// Keeps the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// How many bytes it takes before it grows.
    pub const fn capacity(&self) -> usize {
        self.block.capacity()
    }

    /// Lets `fill` write up to `count` bytes after those there are; it returns the part it wrote, which
    /// starts where its argument starts (a system call's own shape). Returns how many were added.
    pub fn fill<F>(&mut self, count: usize, fill: F) -> io::Result<usize>
    where
        F: for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]>,
    {
        self.reserve(count);
        // SAFETY: there is room for `count` bytes after `len`; `MaybeUninit` says they are not ours to read.
        let spare = unsafe {
            std::slice::from_raw_parts_mut(self.block.start().add(self.len).cast::<MaybeUninit<u8>>(), count)
        };
        let expected = spare.as_ptr().cast::<u8>();
        let filled = fill(spare)?;
        if !std::ptr::eq(filled.as_ptr(), expected) && !filled.is_empty() {
            return Err(io::Error::other("filled another buffer"));
        }
        // A slice that starts at `expected` is initialised memory within `spare`: nothing else of that
        // lifetime can lie there.
        let added = filled.len().min(count);
        self.len += added;
        Ok(added)
    }

    /// The bytes, without a copy; the memory is freed with the last reference.
    pub fn freeze(self) -> Bytes {
        if self.len == 0 { Bytes::new() } else { Bytes::from_owner(self) }
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        std::mem::replace(&mut self.block, Block::EMPTY).give_back();
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the first `len` bytes are initialised; a dangling pointer is fine for an empty slice.
        unsafe { std::slice::from_raw_parts(self.block.start(), self.len) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.block.start(), self.len) }
    }
}

impl AsRef<[u8]> for AlignedBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

// SAFETY: `chunk_mut` is the room after `len`, `advance_mut` counts what the caller wrote there.
unsafe impl BufMut for AlignedBuffer {
    fn remaining_mut(&self) -> usize {
        (isize::MAX as usize).saturating_sub(self.len)
    }

    unsafe fn advance_mut(&mut self, count: usize) {
        debug_assert!(count <= self.capacity() - self.len);
        self.len = self.len.saturating_add(count).min(self.capacity());
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        if self.len == self.capacity() {
            self.reserve(BUFFER_ALIGN);
        }
        // SAFETY: the bytes between `len` and `capacity` are ours.
        unsafe { UninitSlice::from_raw_parts_mut(self.block.start().add(self.len), self.capacity() - self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Extend(Vec<u8>),
        Put(Vec<u8>),
        Fill(Vec<u8>),
        Zeroes(usize),
        Pad,
        Truncate(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..6000);
        prop_oneof![
            bytes().prop_map(Step::Extend),
            bytes().prop_map(Step::Put),
            bytes().prop_map(Step::Fill),
            (0usize..9000).prop_map(Step::Zeroes),
            Just(Step::Pad),
            (0usize..20_000).prop_map(Step::Truncate),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn behaves_as_a_vec_that_is_aligned(steps in proptest::collection::vec(step(), 0..12)) {
            let mut buffer = AlignedBuffer::with_capacity(0);
            let mut model = Vec::new();
            for step in steps {
                match step {
                    Step::Extend(bytes) => {
                        buffer.extend_from_slice(&bytes);
                        model.extend(bytes);
                    }
                    Step::Put(bytes) => {
                        buffer.put_slice(&bytes);
                        model.extend(bytes);
                    }
                    Step::Fill(bytes) => {
                        let added = buffer.fill(bytes.len() + 1, |spare| {
                            let (head, _) = spare.split_at_mut(bytes.len());
                            Ok(head.write_copy_of_slice(&bytes))
                        });
                        assert_eq!(added.unwrap(), bytes.len());
                        model.extend(bytes);
                    }
                    Step::Zeroes(count) => {
                        buffer.extend_zeroes(count);
                        model.resize(model.len() + count, 0);
                    }
                    Step::Pad => {
                        buffer.pad_to_multiple(4096);
                        model.resize(model.len().next_multiple_of(4096), 0);
                    }
                    Step::Truncate(len) => {
                        buffer.truncate(len);
                        model.truncate(len);
                    }
                }
                assert_eq!(&buffer[..], &model[..]);
                if buffer.capacity() > 0 {
                    assert_eq!(buffer.as_ptr() as usize % BUFFER_ALIGN, 0);
                }
            }
            assert_eq!(buffer.freeze(), model);
        }
    }

    #[test]
    fn a_fill_elsewhere_is_refused() {
        let elsewhere: &'static mut [u8] = Box::leak(vec![1u8; 8].into_boxed_slice());
        let mut buffer = AlignedBuffer::with_capacity(16);
        assert!(buffer.fill(8, |_| Ok(elsewhere)).is_err());
        assert!(buffer.is_empty());
    }
}
