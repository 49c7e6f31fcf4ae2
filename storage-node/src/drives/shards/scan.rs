//! Walking the records of a segment.
//!
//! Promises: gives records exactly as they were chained, and ends at the first that is not; never
//! looks behind a break.
//! Must not know: the index.

use std::io;

use bytes::Bytes;
use couronne_placement::Geometry;
use couronne_placement::frame;

use super::record::{HEADER_BYTES_MAX, Header, RecordPlace, ShardFacts, Subject};
use super::segment::Class;
use super::segment_manager::SegmentPin;
use super::shard_index::Durable;
use crate::disk::DIRECT_ALIGN;

/// Bytes of small records read at once.
const WINDOW_BYTES: u64 = 1 << 20;

/// A walk through one segment.
pub(super) struct Scan {
    pinned: SegmentPin,
    /// The file's length: nothing is read behind it.
    len: u64,
    next: RecordPlace,
    window: Bytes,
    window_start: u64,
}

impl Scan {
    /// Starts at `from`, which is the end of a record or the segment's first.
    pub(super) async fn new(pinned: SegmentPin, from: RecordPlace) -> io::Result<Self> {
        let len = pinned.file().len().await?;
        Ok(Self { pinned, len, next: from, window: Bytes::new(), window_start: 0 })
    }

    /// The next record; `None` at the first break.
    pub(super) async fn next(&mut self) -> io::Result<Option<Durable>> {
        let Some(bytes) = self.header_bytes().await? else { return Ok(None) };
        let Ok((header, checksum)) = Header::decode(&bytes, self.next) else { return Ok(None) };
        let record = Durable { header, checksum };
        let end = record.end();
        if end > self.len {
            return Ok(None);
        }
        self.next = RecordPlace { offset: end, previous: checksum, ..self.next };
        Ok(Some(record))
    }

    async fn header_bytes(&mut self) -> io::Result<Option<Bytes>> {
        let offset = self.next.offset;
        let left = self.len.saturating_sub(offset);
        let wanted = left.min(HEADER_BYTES_MAX as u64);
        if wanted == 0 {
            return Ok(None);
        }
        let end = offset.saturating_add(wanted);
        let in_window = self.window_start <= offset && end <= self.window_start + self.window.len() as u64;
        if !in_window {
            let read = match self.pinned.class {
                Class::Small => left.min(WINDOW_BYTES),
                Class::Large => left.min(DIRECT_ALIGN as u64),
            };
            self.window = self.pinned.read(offset, usize::try_from(read).map_err(io::Error::other)?).await?;
            self.window_start = offset;
        }
        let start = usize::try_from(offset - self.window_start).map_err(io::Error::other)?;
        let wanted = usize::try_from(wanted).map_err(io::Error::other)?;
        Ok(self.window.get(start..start + wanted).map(|bytes| self.window.slice_ref(bytes)))
    }

    /// A record's payload, as it stands on the disk.
    pub(super) async fn payload(&self, record: &Durable) -> io::Result<Bytes> {
        payload(&self.pinned, &record.header).await
    }
}

/// Reads a record's payload.
pub(super) async fn payload(pinned: &SegmentPin, header: &Header) -> io::Result<Bytes> {
    let offset = header.place.offset.saturating_add(u64::from(header.extent.payload_offset));
    pinned.read(offset, header.subject.payload_len() as usize).await
}

/// Whether a payload is what its header says; tombstones have none.
pub(super) fn is_whole(subject: &Subject, payload: &Bytes) -> bool {
    match subject {
        Subject::Tombstone(_) => true,
        Subject::Shard(ShardFacts { shard, geometry, frames, .. }) => verify(*shard, *geometry, frames, payload),
    }
}

fn verify(shard: couronne_placement::ShardId, geometry: Geometry, frames: &[u64], payload: &Bytes) -> bool {
    frame::verify(shard, geometry, 0, frames, payload).is_ok()
}
