//! The rows of a drive's index: where each shard stands, what was deleted, how far each segment is
//! indexed.
//!
//! Promises: a row decodes to what was encoded or not at all; keys sort by blob, chunk, shard.
//! Must not know: files, the store's medium.

use bytes::{Buf, BufMut, Bytes, TryGetError};
use couronne_metadata::ids::{BucketId, ObjectKey};
use couronne_metadata::store::StoreError;
use couronne_placement::frame;
use couronne_placement::{BlobId, ChunkId, Geometry, ShardId};
use couronne_protocol::shard::Owner;
use couronne_ring::DriveId;

use super::record::{self, Deleted, Extent, HeaderError, RecordVersion};
use super::segment::{Class, SegmentNumber};

const VERSION: u8 = 1;

/// First bytes of the keys.
const IDENTITY: u8 = 0;
const SHARD: u8 = 1;
const TOMBSTONE: u8 = 2;
const SEGMENT: u8 = 3;

/// Which drive the index belongs to: without this row it is rebuilt.
pub(super) const IDENTITY_KEY: &[u8] = &[IDENTITY];

/// A shard that is here.
///
/// ```text
/// key:   1 ‖ blob (32) ‖ chunk (4) ‖ shard number (1)
/// value: version (1) ‖ segment (8) ‖ offset (8) ‖ payload offset (4) ‖ stride (4) ‖ sequence (8)
///        ‖ revision (4) ‖ k, m, 0, chunk size (7) ‖ shard length (4) ‖ bucket (16)
///        ‖ key length (2) ‖ key ‖ count of older segments (2) ‖ each (8) ‖ frame checksums (8 each)
/// ```
///
/// The frame table stands here, so that any read is one read of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShardRow {
    pub(super) segment: SegmentNumber,
    /// Where the record starts in its segment.
    pub(super) offset: u64,
    pub(super) extent: Extent,
    pub(super) version: RecordVersion,
    pub(super) geometry: Geometry,
    pub(super) shard_len: u32,
    pub(super) owner: Owner,
    /// Segments that hold older records of the same shard.
    pub(super) older: Vec<SegmentNumber>,
    pub(super) frames: Vec<u64>,
}

/// A deletion that must be kept while a record older than it exists.
///
/// ```text
/// key:   2 ‖ blob (32)                                      of all shards of a blob
///        2 ‖ blob (32) ‖ chunk (4) ‖ shard number (1)       of one shard
/// value: version (1) ‖ segment (8) ‖ stride (4) ‖ sequence (8) ‖ revision (4)
///        ‖ count of older segments (2) ‖ each (8)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TombstoneRow {
    pub(super) segment: SegmentNumber,
    pub(super) stride: u32,
    pub(super) version: RecordVersion,
    /// Segments that hold, or may hold, older records of what was deleted.
    pub(super) older: Vec<SegmentNumber>,
}

/// Whether a segment still grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentState {
    /// Records are appended; after a start its rest is read again from `end`.
    Open,
    /// Nothing is appended any more.
    Sealed,
    /// It is gone or damaged, which the cluster knows: what it held is looked for elsewhere.
    Lost,
}

/// How far a segment is indexed. Written in the same batch as the rows of its records, so that the
/// index always knows exactly which records it covers.
///
/// ```text
/// key:   3 ‖ segment (8)
/// value: version (1) ‖ class (1) ‖ state (1) ‖ failed (1) ‖ generation (8) ‖ end (8) ‖ chain (8)
///        ‖ highest sequence (8) ‖ live bytes (8) ‖ length of the file (8)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentRow {
    pub(super) class: Class,
    pub(super) state: SegmentState,
    /// A write or sync failed: what lies behind `end` is unknown.
    pub(super) failed: bool,
    pub(super) generation: u64,
    /// Records before this offset are indexed.
    pub(super) end: u64,
    /// The checksum of the last of them.
    pub(super) chain: u64,
    pub(super) sequence_max: u64,
    /// Bytes of records that count.
    pub(super) live: u64,
    /// The length of its file when it was made, in bytes: a shorter one was cut off.
    pub(super) len: u64,
}

/// A row that does not decode.
pub(super) fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("drive index: {what}"))
}

/// Decoding failed; callers say in what.
struct Bad;

impl From<TryGetError> for Bad {
    fn from(_: TryGetError) -> Self {
        Self
    }
}

impl From<HeaderError> for Bad {
    fn from(_: HeaderError) -> Self {
        Self
    }
}

impl ShardRow {
    pub(super) fn key(shard: ShardId) -> Bytes {
        let mut key = vec![SHARD];
        put_shard(&mut key, shard);
        key.into()
    }

    /// What the keys of all shards of a blob begin with.
    pub(super) fn prefix(blob: BlobId) -> Vec<u8> {
        [&[SHARD][..], &blob.to_bytes()].concat()
    }

    /// The interval of all shard rows.
    pub(super) const fn all() -> (&'static [u8], &'static [u8]) {
        (&[SHARD], &[SHARD + 1])
    }

    pub(super) fn shard(key: &[u8]) -> Result<ShardId, StoreError> {
        let mut rest = key.get(1..).unwrap_or_default();
        get_shard(&mut rest).map_err(|_| corrupt("shard key"))
    }

    pub(super) fn encode(&self) -> Bytes {
        let key = self.owner.key.as_bytes();
        let mut out = Vec::with_capacity(80 + key.len() + 8 * (self.older.len() + self.frames.len()));
        out.put_u8(VERSION);
        out.put_u64(self.segment.0);
        out.put_u64(self.offset);
        out.put_u32(self.extent.payload_offset);
        out.put_u32(self.extent.stride);
        put_version(&mut out, self.version);
        record::put_geometry(&mut out, self.geometry);
        out.put_u32(self.shard_len);
        out.put_slice(&self.owner.bucket.to_bytes());
        out.put_u16(u16::try_from(key.len()).unwrap_or(u16::MAX));
        out.put_slice(key);
        put_segments(&mut out, &self.older);
        self.frames.iter().for_each(|checksum| out.put_u64(*checksum));
        out.into()
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, StoreError> {
        Self::try_decode(value).map_err(|Bad| corrupt("shard row"))
    }

    fn try_decode(mut value: &[u8]) -> Result<Self, Bad> {
        let from = &mut value;
        if from.try_get_u8()? != VERSION {
            return Err(Bad);
        }
        let (segment, offset) = (SegmentNumber(from.try_get_u64()?), from.try_get_u64()?);
        let extent = Extent { payload_offset: from.try_get_u32()?, stride: from.try_get_u32()? };
        let version = get_version(from)?;
        let geometry = record::get_geometry(from)?;
        let shard_len = from.try_get_u32()?;
        let bucket = BucketId::from_bytes(record::sixteen(from)?);
        let key_len = usize::from(from.try_get_u16()?);
        let (key, rest) = from.split_at_checked(key_len).ok_or(Bad)?;
        let owner = Owner { bucket, key: ObjectKey::new(Bytes::copy_from_slice(key)).map_err(|_| Bad)? };
        *from = rest;
        let older = get_segments(from)?;
        let count = frame::frames(shard_len) as usize;
        if from.len() != 8 * count {
            return Err(Bad);
        }
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            frames.push(from.try_get_u64()?);
        }
        Ok(Self { segment, offset, extent, version, geometry, shard_len, owner, older, frames })
    }
}

impl TombstoneRow {
    pub(super) fn key(deleted: Deleted) -> Bytes {
        let mut key = vec![TOMBSTONE];
        match deleted {
            Deleted::Blob(blob) => key.put_slice(&blob.to_bytes()),
            Deleted::Shard(shard) => put_shard(&mut key, shard),
        }
        key.into()
    }

    /// The interval of all tombstone rows.
    pub(super) const fn all() -> (&'static [u8], &'static [u8]) {
        (&[TOMBSTONE], &[TOMBSTONE + 1])
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(32 + 8 * self.older.len());
        out.put_u8(VERSION);
        out.put_u64(self.segment.0);
        out.put_u32(self.stride);
        put_version(&mut out, self.version);
        put_segments(&mut out, &self.older);
        out.into()
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, StoreError> {
        Self::try_decode(value).map_err(|Bad| corrupt("tombstone row"))
    }

    fn try_decode(mut value: &[u8]) -> Result<Self, Bad> {
        let from = &mut value;
        if from.try_get_u8()? != VERSION {
            return Err(Bad);
        }
        let (segment, stride) = (SegmentNumber(from.try_get_u64()?), from.try_get_u32()?);
        let row = Self { segment, stride, version: get_version(from)?, older: get_segments(from)? };
        if from.is_empty() { Ok(row) } else { Err(Bad) }
    }
}

impl SegmentRow {
    pub(super) fn key(number: SegmentNumber) -> Bytes {
        let mut key = vec![SEGMENT];
        key.put_u64(number.0);
        key.into()
    }

    /// The interval of all segment rows.
    pub(super) const fn all() -> (&'static [u8], &'static [u8]) {
        (&[SEGMENT], &[SEGMENT + 1])
    }

    pub(super) fn number(key: &[u8]) -> Result<SegmentNumber, StoreError> {
        let mut rest = key.get(1..).unwrap_or_default();
        rest.try_get_u64().map(SegmentNumber).map_err(|_| corrupt("segment key"))
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(52);
        let state = match self.state {
            SegmentState::Open => 0,
            SegmentState::Sealed => 1,
            SegmentState::Lost => 2,
        };
        out.put_slice(&[VERSION, self.class.to_byte(), state, u8::from(self.failed)]);
        for number in [self.generation, self.end, self.chain, self.sequence_max, self.live, self.len] {
            out.put_u64(number);
        }
        out.into()
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, StoreError> {
        Self::try_decode(value).map_err(|Bad| corrupt("segment row"))
    }

    fn try_decode(mut value: &[u8]) -> Result<Self, Bad> {
        let from = &mut value;
        if from.try_get_u8()? != VERSION {
            return Err(Bad);
        }
        let class = Class::from_byte(from.try_get_u8()?).ok_or(Bad)?;
        let state = match from.try_get_u8()? {
            0 => SegmentState::Open,
            1 => SegmentState::Sealed,
            2 => SegmentState::Lost,
            _ => return Err(Bad),
        };
        let failed = from.try_get_u8()? == 1;
        let mut number = || from.try_get_u64();
        let (generation, end, chain) = (number()?, number()?, number()?);
        let (sequence_max, live, len) = (number()?, number()?, number()?);
        Ok(Self { class, state, failed, generation, end, chain, sequence_max, live, len })
    }
}

/// The value of the identity row.
pub(super) fn identity_value(drive: DriveId) -> Bytes {
    [&[VERSION][..], &drive.0.to_be_bytes()].concat().into()
}

fn put_shard(out: &mut Vec<u8>, shard: ShardId) {
    out.put_slice(&shard.chunk.blob.to_bytes());
    out.put_u32(shard.chunk.index);
    out.put_u8(shard.number);
}

fn get_shard(from: &mut &[u8]) -> Result<ShardId, TryGetError> {
    let blob = record::blob_id(from)?;
    Ok(ShardId { chunk: ChunkId { blob, index: from.try_get_u32()? }, number: from.try_get_u8()? })
}

fn put_version(out: &mut Vec<u8>, version: RecordVersion) {
    out.put_u64(version.sequence);
    out.put_u32(version.revision);
}

fn get_version(from: &mut &[u8]) -> Result<RecordVersion, TryGetError> {
    Ok(RecordVersion { sequence: from.try_get_u64()?, revision: from.try_get_u32()? })
}

fn put_segments(out: &mut Vec<u8>, segments: &[SegmentNumber]) {
    out.put_u16(u16::try_from(segments.len()).unwrap_or(u16::MAX));
    segments.iter().take(usize::from(u16::MAX)).for_each(|segment| out.put_u64(segment.0));
}

fn get_segments(from: &mut &[u8]) -> Result<Vec<SegmentNumber>, TryGetError> {
    let count = from.try_get_u16()?;
    (0..count).map(|_| Ok(SegmentNumber(from.try_get_u64()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use couronne_placement::{Binding, ResidencyClass};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_come_back(key in "[a-zé]{1,300}", older in proptest::collection::vec(any::<u64>(), 0..4), frames in 0u32..40) {
            let older: Vec<SegmentNumber> = older.into_iter().map(SegmentNumber).collect();
            let version = RecordVersion { sequence: 9, revision: 1 };
            let row = ShardRow {
                segment: SegmentNumber(1),
                offset: 2,
                extent: Extent { payload_offset: 3, stride: 4 },
                version,
                geometry: Geometry::new(4, 2, 1 << 20).unwrap(),
                shard_len: frames * frame::FRAME_BYTES,
                owner: Owner { bucket: BucketId::new(ResidencyClass(4), [1; 4], "b"), key: ObjectKey::new(key).unwrap() },
                older: older.clone(),
                frames: (0..u64::from(frames)).collect(),
            };
            let bytes = row.encode();
            assert_eq!(ShardRow::decode(&bytes).unwrap(), row);
            for len in 0..bytes.len() {
                assert!(ShardRow::decode(&bytes[..len]).is_err());
            }
            let tombstone = TombstoneRow { segment: SegmentNumber(1), stride: 144, version, older };
            assert_eq!(TombstoneRow::decode(&tombstone.encode()).unwrap(), tombstone);
        }
    }

    #[test]
    fn segment_rows_and_keys_come_back() {
        let row = SegmentRow {
            class: Class::Large,
            state: SegmentState::Sealed,
            failed: true,
            generation: 1,
            end: 2,
            chain: 3,
            sequence_max: 4,
            live: 5,
            len: 6,
        };
        assert_eq!(SegmentRow::decode(&row.encode()).unwrap(), row);
        assert_eq!(SegmentRow::number(&SegmentRow::key(SegmentNumber(9))).unwrap(), SegmentNumber(9));
        let shard = ShardId {
            chunk: ChunkId { blob: BlobId::new(1, [2; 10], Binding::to(b"bucket", b"key")), index: 3 },
            number: 4,
        };
        let key = ShardRow::key(shard);
        assert_eq!(ShardRow::shard(&key).unwrap(), shard);
        assert!(key.starts_with(&ShardRow::prefix(shard.chunk.blob)));
    }
}
