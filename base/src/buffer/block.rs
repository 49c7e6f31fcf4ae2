//! The memory of aligned buffers, and a small store of blocks that are free.
//!
//! A large block fresh from the kernel costs a page fault for each 4 KiB: measured, three quarters of
//! the CPU time of a direct read of 1 MiB. So the last blocks given back are kept for the next taker,
//! within a bound for the whole process.
//! Must not know: what the bytes are.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::BUFFER_ALIGN;

/// Smaller blocks are the allocator's own business. Bytes.
const KEPT_BYTES_MIN: usize = 64 << 10;

/// The most bytes kept for later.
const KEPT_BYTES_MAX: usize = 48 << 20;

/// The bytes of all blocks that somebody has: those kept for later are not counted.
static TAKEN_BYTES: AtomicUsize = AtomicUsize::new(0);

static KEPT: Mutex<Kept> = Mutex::new(Kept { blocks: VecDeque::new(), bytes: 0 });

/// Blocks given back, the oldest first.
struct Kept {
    blocks: VecDeque<Block>,
    bytes: usize,
}

/// Uninitialised, aligned memory; none if its capacity is 0.
pub(super) struct Block {
    start: NonNull<u8>,
    capacity: usize,
}

// SAFETY: a block owns its memory alone.
unsafe impl Send for Block {}
// SAFETY: a shared block only tells where it is.
unsafe impl Sync for Block {}

impl Block {
    pub(super) const EMPTY: Self = Self { start: NonNull::dangling(), capacity: 0 };

    /// A block of at least `capacity` bytes, kept or new.
    pub(super) fn take(capacity: usize) -> Self {
        let capacity = capacity.next_multiple_of(BUFFER_ALIGN);
        if capacity == 0 {
            return Self::EMPTY;
        }
        let kept =
            if capacity < KEPT_BYTES_MIN { None } else { KEPT.lock().ok().and_then(|mut kept| kept.take(capacity)) };
        let block = kept.unwrap_or_else(|| Self::allocate(capacity));
        TAKEN_BYTES.fetch_add(block.capacity, Ordering::Relaxed);
        block
    }

    /// Gives the block back.
    pub(super) fn give_back(self) {
        TAKEN_BYTES.fetch_sub(self.capacity, Ordering::Relaxed);
        if self.capacity < KEPT_BYTES_MIN || self.capacity > KEPT_BYTES_MAX {
            return;
        }
        // What has to go is freed after the lock is.
        let _gone = KEPT.lock().map(|mut kept| kept.put(self));
    }

    /// The bytes of all blocks that were taken and not given back.
    pub(super) fn taken_bytes() -> usize {
        TAKEN_BYTES.load(Ordering::Relaxed)
    }

    fn allocate(capacity: usize) -> Self {
        let layout = layout(capacity);
        // SAFETY: `layout` is not empty: `take` asks for at least one byte.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        Self { start, capacity }
    }

    pub(super) const fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.capacity > 0 {
            // SAFETY: allocated in `allocate` with this very layout, and owned alone.
            unsafe { dealloc(self.start.as_ptr(), layout(self.capacity)) };
        }
    }
}

impl Kept {
    /// The block given back last that is large enough, and not by much more than that.
    fn take(&mut self, capacity: usize) -> Option<Block> {
        let fits = capacity..=capacity.saturating_add(capacity / 8);
        let place = self.blocks.iter().rposition(|block| fits.contains(&block.capacity))?;
        let block = self.blocks.remove(place)?;
        self.bytes = self.bytes.saturating_sub(block.capacity);
        Some(block)
    }

    /// Keeps a block; returns those that have to go for it.
    fn put(&mut self, block: Block) -> Vec<Block> {
        self.bytes = self.bytes.saturating_add(block.capacity);
        self.blocks.push_back(block);
        let mut gone = Vec::new();
        while self.bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.blocks.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.capacity);
            gone.push(oldest);
        }
        gone
    }
}

/// The layout of `capacity` bytes. A capacity that has none (over `isize::MAX`) cannot be allocated
/// either; it ends as every failed allocation does.
fn layout(capacity: usize) -> Layout {
    Layout::from_size_align(capacity, BUFFER_ALIGN)
        .unwrap_or_else(|_| handle_alloc_error(Layout::new::<[u8; BUFFER_ALIGN]>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits_within_its_bound() {
        let mut kept = Kept { blocks: VecDeque::new(), bytes: 0 };
        for _ in 0..100 {
            drop(kept.put(Block::allocate(1 << 20)));
        }
        assert_eq!(kept.bytes, KEPT_BYTES_MAX);
        assert_eq!(kept.blocks.len(), KEPT_BYTES_MAX >> 20);
        assert!(kept.take(2 << 20).is_none());
        assert!(kept.take(512 << 10).is_none());
        assert_eq!(kept.take((1 << 20) - 4096).map(|block| block.capacity()), Some(1 << 20));
        assert_eq!(kept.bytes, KEPT_BYTES_MAX - (1 << 20));
    }
}
