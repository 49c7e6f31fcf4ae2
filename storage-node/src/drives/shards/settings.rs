//! What can be tuned of a drive.

use super::segment::PAGE_BYTES;
use crate::disk::Space;

/// Sizes and limits of a drive. [`Settings::for_space`] chooses them; tests choose small ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Shards up to this length (bytes) share segments of small records; longer ones go to segments
    /// of large shards. Measured (CPU of one put and one warm get): at 16 KiB 36 us against 67 us, at
    /// 32 KiB 75 us against 71 us, at 64 KiB 126 us against 75 us.
    pub small_bytes_max: u32,
    /// The size of a segment of small records, in bytes.
    pub small_segment_bytes: u64,
    /// The size of a segment of large shards, in bytes; at least the largest shard and two pages.
    pub large_segment_bytes: u64,
    /// How many segments of large shards may be written at once.
    pub large_writers: usize,
    /// Blocks of a fresh segment of small records are written out this many bytes ahead.
    pub prepare_bytes: u64,
    /// Records waiting for one writer; more are refused as overload.
    pub queue_records_max: usize,
    /// Payload bytes waiting for one writer; more are refused as overload.
    pub queue_bytes_max: u64,
    /// Payload bytes written with one sync, about.
    pub batch_bytes_max: u64,
    /// Bytes kept free of new shards, for the index, the log, deletions and compaction.
    pub reserve_bytes: u64,
    /// A sealed segment is compacted when at most this part of it, in percent, still counts.
    pub compact_live_percent: u64,
    /// The index is flushed when a start would have to read again this many records.
    pub replay_records_max: u64,
    /// The index is flushed when it holds this many bytes in memory only.
    pub unflushed_bytes_max: u64,
    /// Segment files kept open for reading.
    pub open_files_max: usize,
    /// Emptied segments of small records kept for another use.
    pub spare_segments: usize,
    /// The drive goes down after this many failed writes in a row.
    pub failures_max: u32,
}

/// From gateways a drive takes no shards of blobs that were born further ahead of its clock than this (milliseconds).
pub const BIRTH_AHEAD_MS_MAX: u64 = 3_600_000;

/// From gateways a drive takes no shards of blobs that were born longer ago than this (milliseconds): such a blob was
/// committed, or never will be ([`couronne_metadata::evaluate::COMMIT_AGE_MS_MAX`]).
pub const BIRTH_BEHIND_MS_MAX: u64 = 24 * 3_600_000;

const MIB: u64 = 1 << 20;

impl Settings {
    /// Settings for a drive of this space: a small drive gets small segments.
    pub fn for_space(space: Space) -> Self {
        let large_segment_bytes = (space.total / 256).clamp(32 * MIB, 256 * MIB).next_multiple_of(MIB);
        Self {
            small_bytes_max: 24 << 10,
            small_segment_bytes: (large_segment_bytes / 4).clamp(16 * MIB, 64 * MIB),
            large_segment_bytes,
            large_writers: 2,
            prepare_bytes: MIB,
            queue_records_max: 4096,
            queue_bytes_max: 64 * MIB,
            batch_bytes_max: 8 * MIB,
            reserve_bytes: (space.total / 64).clamp(256 * MIB, 8192 * MIB).min(space.total / 8),
            compact_live_percent: 50,
            replay_records_max: 16_384,
            unflushed_bytes_max: 64 * MIB,
            open_files_max: 256,
            spare_segments: 2,
            failures_max: 3,
        }
    }

    /// The longest record that any segment can take, in bytes.
    pub(super) fn record_bytes_max(&self) -> u64 {
        self.large_segment_bytes.saturating_sub(PAGE_BYTES)
    }
}
