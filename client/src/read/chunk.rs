//! One chunk's share of a read: which bytes of which shards, and where those shards should be.

use std::ops::Range;
use std::sync::Arc;

use couronne_metadata::record::BlobRef;
use couronne_placement::frame::{FRAME_BYTES, frames};
use couronne_placement::{ChunkId, ChunkLayout};

/// A range of one chunk to read.
pub struct ChunkRead {
    /// The blob, as its row names it.
    pub blob: Arc<BlobRef>,
    /// Which of its chunks.
    pub index: u32,
    /// Where that chunk lies in the blob.
    pub layout: ChunkLayout,
    /// Bytes within the chunk; not empty.
    pub range: Range<u32>,
}

/// Bytes wanted of one data shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The shard.
    pub(super) number: u8,
    /// Bytes within the shard; not empty.
    pub(super) bytes: Range<u32>,
}

/// Some frames of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameRange {
    pub(super) first: u32,
    /// First frame that is not meant.
    pub(super) end: u32,
}

impl ChunkRead {
    pub(super) fn id(&self) -> ChunkId {
        ChunkId { blob: self.blob.id, index: self.index }
    }

    /// What the range wants of each data shard, in order.
    pub(super) fn spans(&self) -> Vec<Span> {
        let shard_len = self.layout.shard_len;
        let span = |number: u8| {
            let start = u32::from(number).saturating_mul(shard_len);
            let end = start.saturating_add(shard_len);
            let bytes = self.range.start.max(start) - start..self.range.end.min(end).max(start) - start;
            (!bytes.is_empty()).then_some(Span { number, bytes })
        };
        (0..self.blob.geometry.k()).filter_map(span).collect()
    }
}

impl Span {
    /// The frames that hold the span.
    pub(super) fn frames(&self) -> FrameRange {
        FrameRange { first: self.bytes.start / FRAME_BYTES, end: frames(self.bytes.end) }
    }
}

impl FrameRange {
    pub(super) const fn covers(self, other: Self) -> bool {
        self.first <= other.first && self.end >= other.end
    }

    /// The least range that covers both.
    pub(super) fn union(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), end: self.end.max(other.end) }
    }

    /// The bytes of a shard of `shard_len` bytes that the frames hold.
    pub(super) fn bytes(self, shard_len: u32) -> Range<u32> {
        let at = |frame: u32| frame.saturating_mul(FRAME_BYTES).min(shard_len);
        at(self.first)..at(self.end)
    }
}

#[cfg(test)]
mod tests {
    use couronne_placement::{Binding, BlobId, Geometry, PolicyId};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn spans_cover_the_range_and_nothing_else(
            k in 1u8..9, chunk_bytes in 1u32..(1 << 20), len in 1u64..(4 << 20), at in any::<u64>(), take in any::<u32>(),
        ) {
            let geometry = Geometry::new(k, 2, chunk_bytes).unwrap();
            let index = u32::try_from(at % geometry.chunks(len)).unwrap();
            let layout = geometry.chunk(len, index).unwrap();
            let start = u32::try_from(at % u64::from(layout.len)).unwrap();
            let end = start + 1 + take % (layout.len - start);
            let id = BlobId::new(1, [7; 10], Binding::to(b"bucket", b"key"));
            let blob = BlobRef { id, len, policy: PolicyId(0), geometry, crc64: 0 };
            let read = ChunkRead { blob: Arc::new(blob), index, layout, range: start..end };
            let mut position = start;
            for span in read.spans() {
                let first = u32::from(span.number) * layout.shard_len;
                prop_assert_eq!(first + span.bytes.start, position);
                position = first + span.bytes.end;
                prop_assert!(span.bytes.end <= layout.shard_len);
                let bytes = span.frames().bytes(layout.shard_len);
                prop_assert!(bytes.start <= span.bytes.start && bytes.end >= span.bytes.end);
            }
            prop_assert_eq!(position, end);
        }
    }
}
