//! Which units make up a range of an object: inline bytes, chunks of a blob, or those of its parts.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::crc;
use couronne_client::{ChunkRead, Slice};
use couronne_metadata::ids::{BucketId, ObjectKey, PartNumber, UploadId};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::{BlobRef, Data, PartRecord};
use couronne_protocol::shard::Owner;

use super::super::{EngineError, Shared};

/// Part rows asked for at once.
const PART_PAGE: u16 = 100;
/// Part rows asked for at once while their sizes alone are needed, to find where a range begins.
const PART_PAGE_SEEKING: u16 = 1000;

/// The most that is read at once while memory for reading is tight, so that many slow receivers find
/// room. Bytes.
const TIGHT_UNIT_BYTES: u64 = 512 << 10;

/// The units of a range, in order.
pub(in crate::engine) enum Source {
    /// Bytes that are here.
    Inline(Option<Bytes>),
    /// Chunks of one blob.
    Blob(BlobCursor),
    /// Parts.
    Parts(Box<PartsCursor>),
}

/// What is fetched at once.
pub(super) enum ReadUnit {
    /// Bytes that are here.
    Bytes(Bytes),
    /// A range of a chunk.
    Chunk(ChunkRead, BlobCheck),
    /// A range of a part whose bytes are in a payload row.
    Payload { parts: Parts, number: PartNumber, len: u32, crc64: u64, range: Range<u32> },
}

/// Whether a unit is the first or last of a blob that is read whole, and that blob's CRC.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BlobCheck {
    pub(super) first: bool,
    pub(super) last: bool,
    pub(super) crc64: u64,
}

impl Source {
    pub(in crate::engine) fn inline(bytes: Option<&Bytes>, range: &Range<u64>) -> Result<Self, EngineError> {
        let missing = || EngineError::Corrupt("an object without its payload row".to_owned());
        let slice = slice(bytes.ok_or_else(missing)?, range).ok_or_else(missing)?;
        Ok(Self::Inline(Some(slice).filter(|slice| !slice.is_empty())))
    }

    pub(in crate::engine) fn blob(blob: &BlobRef, range: &Range<u64>) -> Self {
        Self::Blob(BlobCursor::new(blob.clone(), range.clone()))
    }

    pub(in crate::engine) fn parts(parts: Parts, uniform_bytes: Option<u64>, range: &Range<u64>) -> Self {
        Self::Parts(Box::new(PartsCursor::new(parts, uniform_bytes, range.clone())))
    }

    pub(super) async fn next(&mut self, shared: &Shared) -> Result<Option<ReadUnit>, EngineError> {
        match self {
            Self::Inline(bytes) => Ok(bytes.take().map(ReadUnit::Bytes)),
            Self::Blob(cursor) => cursor.next(shared),
            Self::Parts(cursor) => cursor.next(shared).await,
        }
    }
}

impl ReadUnit {
    /// The memory it takes.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(_) => 0,
            Self::Chunk(read, _) => u64::from(read.range.end - read.range.start),
            Self::Payload { len, .. } => u64::from(*len),
        }
    }

    pub(super) const fn check(&self) -> BlobCheck {
        match self {
            Self::Chunk(_, check) => *check,
            Self::Bytes(_) | Self::Payload { .. } => BlobCheck { first: false, last: false, crc64: 0 },
        }
    }

    pub(super) async fn fetch(self, shared: &Shared, owner: &Owner) -> Result<Vec<Slice>, EngineError> {
        let one = |bytes| Ok(vec![Slice { bytes, crc64: None }]);
        match self {
            Self::Bytes(bytes) => one(bytes),
            Self::Chunk(read, _) => Ok(shared.client.read_chunk(&read, owner).await?),
            Self::Payload { parts, number, len, crc64, range } => {
                let payload = parts.payload(shared, number).await?;
                let payload = check_payload(payload.as_ref(), len, crc64)?;
                let range = u64::from(range.start)..u64::from(range.end);
                let wrong = || EngineError::Corrupt("a part's payload row is too short".to_owned());
                one(slice(payload, &range).ok_or_else(wrong)?)
            }
        }
    }
}

/// Walks the chunks of one blob that meet a range.
pub(in crate::engine) struct BlobCursor {
    blob: Arc<BlobRef>,
    range: Range<u64>,
    /// The range is the whole blob.
    whole: bool,
}

impl BlobCursor {
    fn new(blob: BlobRef, range: Range<u64>) -> Self {
        let whole = range == (0..blob.len);
        Self { blob: Arc::new(blob), range, whole }
    }

    /// The next unit: up to the chunk's end or, while memory is tight, less.
    fn next(&mut self, shared: &Shared) -> Result<Option<ReadUnit>, EngineError> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let corrupt = || EngineError::Corrupt("a blob's row contradicts itself".to_owned());
        let chunk_bytes = u64::from(self.blob.geometry.chunk_bytes());
        let index = u32::try_from(self.range.start / chunk_bytes).map_err(|_| corrupt())?;
        let layout = self.blob.geometry.chunk(self.blob.len, index).ok_or_else(corrupt)?;
        let chunk_end = layout.offset.saturating_add(u64::from(layout.len));
        let within = |position: u64| u32::try_from(position - layout.offset).map_err(|_| corrupt());
        let mut end = self.range.end.min(chunk_end);
        if shared.client.read_budget().is_tight() {
            end = end.min(self.range.start.saturating_add(TIGHT_UNIT_BYTES));
        }
        let range = within(self.range.start)?..within(end)?;
        let check = BlobCheck {
            first: self.whole && self.range.start == 0,
            last: self.whole && end == self.blob.len,
            crc64: self.blob.crc64,
        };
        self.range.start = end;
        Ok(Some(ReadUnit::Chunk(ChunkRead { blob: self.blob.clone(), index, layout, range }, check)))
    }
}

/// The part rows of an upload.
#[derive(Clone)]
pub(in crate::engine) struct Parts {
    pub(in crate::engine) bucket: BucketId,
    pub(in crate::engine) key: ObjectKey,
    pub(in crate::engine) upload: UploadId,
}

impl Parts {
    /// Parts with numbers above `after`, and whether more follow. They are asked for whatever the rules
    /// are by now: the client that opened the object was allowed to read it.
    pub(in crate::engine) async fn page(
        &self,
        shared: &Shared,
        after: u16,
        limit: u16,
    ) -> Result<(Vec<PartRecord>, bool), EngineError> {
        let query = Query::Parts { key: self.key.clone(), upload: self.upload, after, limit };
        match shared.client.router().query_under(self.bucket, None, self.key.as_bytes(), query).await? {
            (Answer::Parts(Some(page)), _) => Ok(page),
            (Answer::Parts(None), _) => Err(EngineError::Unreadable("the object's parts are gone".to_owned())),
            _ => Err(EngineError::unexpected("Parts")),
        }
    }

    async fn payload(&self, shared: &Shared, number: PartNumber) -> Result<Option<Bytes>, EngineError> {
        let query = Query::PartPayload { key: self.key.clone(), upload: self.upload, number };
        match shared.client.router().query_under(self.bucket, None, self.key.as_bytes(), query).await? {
            (Answer::PartPayload(payload), _) => Ok(payload),
            _ => Err(EngineError::unexpected("PartPayload")),
        }
    }
}

/// Walks the parts that meet a range of the object they make up.
pub(in crate::engine) struct PartsCursor {
    parts: Parts,
    range: Range<u64>,
    /// Where in the object the next part begins.
    position: u64,
    /// The number of the last part taken or loaded.
    after: u16,
    loaded: VecDeque<PartRecord>,
    more: bool,
    current: Option<BlobCursor>,
}

impl PartsCursor {
    fn new(parts: Parts, uniform_bytes: Option<u64>, range: Range<u64>) -> Self {
        // Parts of one size are numbered without gaps: the first one needed follows from its offset.
        let skipped = uniform_bytes.and_then(|size| range.start.checked_div(size));
        let after = u16::try_from(skipped.unwrap_or(0)).unwrap_or(u16::MAX);
        let position = u64::from(after).saturating_mul(uniform_bytes.unwrap_or(0));
        Self { parts, range, position, after, loaded: VecDeque::new(), more: true, current: None }
    }

    async fn next(&mut self, shared: &Shared) -> Result<Option<ReadUnit>, EngineError> {
        loop {
            if let Some(cursor) = &mut self.current {
                if let Some(unit) = cursor.next(shared)? {
                    return Ok(Some(unit));
                }
                self.current = None;
            }
            if self.position >= self.range.end {
                return Ok(None);
            }
            let Some(part) = self.next_part(shared).await? else { return Ok(None) };
            let end = self.position.saturating_add(part.size);
            let start = std::mem::replace(&mut self.position, end);
            let within = self.range.start.max(start) - start..self.range.end.min(end).max(start) - start;
            if within.is_empty() {
                continue;
            }
            match part.data {
                Data::Blob(blob) => self.current = Some(BlobCursor::new(blob, within)),
                Data::Inline { len, crc64 } => {
                    let corrupt = || EngineError::Corrupt("a part's row contradicts itself".to_owned());
                    let narrow = |position| u32::try_from(position).map_err(|_| corrupt());
                    let range = narrow(within.start)?..narrow(within.end)?;
                    let (parts, number) = (self.parts.clone(), part.number);
                    return Ok(Some(ReadUnit::Payload { parts, number, len, crc64, range }));
                }
            }
        }
    }

    async fn next_part(&mut self, shared: &Shared) -> Result<Option<PartRecord>, EngineError> {
        if self.loaded.is_empty() && self.more {
            let seeking = self.position < self.range.start;
            let limit = if seeking { PART_PAGE_SEEKING } else { PART_PAGE };
            let (parts, more) = self.parts.page(shared, self.after, limit).await?;
            self.more = more && !parts.is_empty();
            self.loaded = parts.into();
        }
        let part = self.loaded.pop_front();
        if let Some(part) = &part {
            self.after = part.number.get();
        }
        Ok(part)
    }
}

/// Checks the bytes of a payload row against their record.
pub(in crate::engine) fn check_payload(payload: Option<&Bytes>, len: u32, crc64: u64) -> Result<&Bytes, EngineError> {
    let sound = |bytes: &&Bytes| bytes.len() as u64 == u64::from(len) && crc::of(bytes) == crc64;
    payload.filter(sound).ok_or_else(|| EngineError::Unreadable("a payload row does not match its record".to_owned()))
}

fn slice(bytes: &Bytes, range: &Range<u64>) -> Option<Bytes> {
    let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
    (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
}
