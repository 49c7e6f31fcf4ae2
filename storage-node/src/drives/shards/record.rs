//! Records: what segments are made of, byte by byte.
//!
//! Promises: a header decodes only if every byte of it is what was written, at the place and in the
//! use of the segment it was written for, after the very record that stood before it.
//! Must not know: files, the index.

use bytes::{Buf, BufMut, Bytes, TryGetError};
use couronne_metadata::ids::{BucketId, ObjectKey};
use couronne_placement::frame;
use couronne_placement::{BlobId, ChunkId, Geometry, PolicyId, ResidencyClass, ShardId};
use couronne_protocol::shard::Owner;
use couronne_ring::Epoch;
use thiserror::Error;

/// No header is longer than this, in bytes: the longest key and the most frames fit.
pub(super) const HEADER_BYTES_MAX: usize = 4096;

const MAGIC: &[u8; 8] = b"COURREC1";
const FIXED_BYTES: usize = 144;
const CHECKSUM_BYTES: usize = 8;

/// What is said of a shard beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShardFacts {
    pub(super) shard: ShardId,
    pub(super) owner: Owner,
    pub(super) geometry: Geometry,
    pub(super) policy: PolicyId,
    pub(super) class: ResidencyClass,
    pub(super) epoch: Epoch,
    /// The checksum of each frame of the payload.
    pub(super) frames: Vec<u64>,
    /// The payload's length in bytes.
    pub(super) shard_len: u32,
}

/// What a deletion covers: every older record of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deleted {
    /// All shards of a blob.
    Blob(BlobId),
    /// One shard.
    Shard(ShardId),
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The payload is a shard.
    Shard(ShardFacts),
    /// A shard or a blob is deleted.
    Tombstone(Deleted),
}

/// Which of two records about one thing is the newer: the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct RecordVersion {
    /// Rises with each record that is asked for on the drive.
    pub(super) sequence: u64,
    /// How often compaction copied the record.
    pub(super) revision: u32,
}

/// Where a record stands: what its header must repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordPlace {
    /// The generation of the segment.
    pub(super) generation: u64,
    /// The record's first byte within the segment.
    pub(super) offset: u64,
    /// The checksum of the record before; the generation for the first.
    pub(super) previous: u64,
}

/// How long the parts of a record are, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// From the record's start to its payload.
    pub(super) payload_offset: u32,
    /// From the record's start to where the next one starts.
    pub(super) stride: u32,
}

/// A record's header.
///
/// ```text
/// offset size  (integers are big-endian)
///      0    8  magic "COURREC1"
///      8    1  kind: 1 shard, 2 blob tombstone, 3 shard tombstone
///      9    1  flags: bit 0 = first of its batch (all before it was durable when it was written)
///     10    2  K: length of the owner's key            tombstones: 0
///     12    2  H: length of this header, checksum included
///     14    2  F: number of frames                     tombstones: 0
///     16    4  length of the payload                   tombstones: 0
///     20    4  from the record's start to its payload
///     24    4  from the record's start to the next record
///     28    4  revision: how often compaction copied the record
///     32    8  sequence: rises with each record of the drive; upper 24 bits: the drive's boot count
///     40    8  generation of the segment
///     48    8  offset of the record in the segment
///     56    8  checksum of the record before (of the first: the generation)
///     64   16  owner's bucket                          tombstones: 0
///     80   32  blob
///    112    4  chunk
///    116    1  shard number
///    117    1  k                                       tombstones: 0, to the end
///    118    1  m
///    119    1  0
///    120    4  chunk size
///    124    2  policy
///    126    2  residency class
///    128    8  ring epoch
///    136    8  0
///    144    K  owner's key
///          8F  frame checksums (CRC-64/NVME, seeded with their identity)
///           8  CRC-64/NVME of all bytes before
/// ```
///
/// Small records follow each other at multiples of 8 bytes, payload right behind the header; large
/// ones start, and have their payload, at multiples of 4,096. A batch starts at a multiple of 4,096,
/// so that no block that was acknowledged is ever written again. Padding is zeroes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) subject: Subject,
    pub(super) version: RecordVersion,
    pub(super) extent: Extent,
    pub(super) place: RecordPlace,
    pub(super) first_of_batch: bool,
}

/// Why bytes are not the header that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum HeaderError {
    #[error("no record here")]
    Absent,
    #[error("record header is cut short")]
    Short,
    #[error("record header checksum does not match")]
    Checksum,
    #[error("record belongs elsewhere")]
    Misplaced,
    #[error("record header contradicts itself")]
    Senseless,
}

impl From<TryGetError> for HeaderError {
    fn from(_: TryGetError) -> Self {
        Self::Short
    }
}

/// The length of the header of a shard with this owner and number of frames, in bytes.
pub(super) fn shard_header_len(owner: &Owner, frames: usize) -> usize {
    FIXED_BYTES + owner.key.as_bytes().len() + 8 * frames + CHECKSUM_BYTES
}

impl Subject {
    /// The header's length in bytes; at most [`HEADER_BYTES_MAX`] for what the drive admits.
    pub(super) fn header_len(&self) -> usize {
        match self {
            Self::Shard(facts) => shard_header_len(&facts.owner, facts.frames.len()),
            Self::Tombstone(_) => FIXED_BYTES + CHECKSUM_BYTES,
        }
    }

    /// The payload's length in bytes.
    pub(super) const fn payload_len(&self) -> u32 {
        match self {
            Self::Shard(facts) => facts.shard_len,
            Self::Tombstone(_) => 0,
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Shard(_) => 1,
            Self::Tombstone(Deleted::Blob(_)) => 2,
            Self::Tombstone(Deleted::Shard(_)) => 3,
        }
    }

    /// The blob, chunk and shard number; zeroes for what a blob's tombstone leaves open.
    const fn shard(&self) -> ShardId {
        match self {
            Self::Shard(facts) => facts.shard,
            Self::Tombstone(Deleted::Shard(shard)) => *shard,
            Self::Tombstone(Deleted::Blob(blob)) => ShardId { chunk: ChunkId { blob: *blob, index: 0 }, number: 0 },
        }
    }
}

impl Header {
    /// Appends the header's bytes; returns its checksum, which the next record repeats.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> u64 {
        let start = out.len();
        let shard = self.subject.shard();
        let facts = match &self.subject {
            Subject::Shard(facts) => Some(facts),
            Subject::Tombstone(_) => None,
        };
        let key = facts.map(|facts| facts.owner.key.as_bytes().clone()).unwrap_or_default();
        let frames = facts.map_or(&[][..], |facts| &facts.frames);
        out.put_slice(MAGIC);
        out.put_u8(self.subject.kind());
        out.put_u8(u8::from(self.first_of_batch));
        out.put_u16(small(key.len()));
        out.put_u16(small(self.subject.header_len()));
        out.put_u16(small(frames.len()));
        out.put_u32(self.subject.payload_len());
        out.put_u32(self.extent.payload_offset);
        out.put_u32(self.extent.stride);
        out.put_u32(self.version.revision);
        out.put_u64(self.version.sequence);
        out.put_u64(self.place.generation);
        out.put_u64(self.place.offset);
        out.put_u64(self.place.previous);
        out.put_slice(&facts.map(|facts| facts.owner.bucket.to_bytes()).unwrap_or_default());
        out.put_slice(&shard.chunk.blob.to_bytes());
        out.put_u32(shard.chunk.index);
        out.put_u8(shard.number);
        match facts {
            Some(facts) => {
                put_geometry(out, facts.geometry);
                out.put_u16(facts.policy.0);
                out.put_u16(facts.class.0);
                out.put_u64(facts.epoch.0);
                out.put_u64(0);
            }
            None => out.put_bytes(0, FIXED_BYTES - 117),
        }
        out.put_slice(&key);
        frames.iter().for_each(|checksum| out.put_u64(*checksum));
        let checksum = crc64(out.get(start..).unwrap_or_default());
        out.put_u64(checksum);
        checksum
    }

    /// Reads a header from the start of `bytes`, which must be for `place`; returns it with its
    /// checksum.
    pub(super) fn decode(bytes: &[u8], place: RecordPlace) -> Result<(Self, u64), HeaderError> {
        let (header, checksum) = Self::decode_any(bytes)?;
        if header.place == place { Ok((header, checksum)) } else { Err(HeaderError::Misplaced) }
    }

    /// Reads a header of which the record before is not known.
    pub(super) fn decode_at(bytes: &[u8], generation: u64, offset: u64) -> Result<Self, HeaderError> {
        let (header, _) = Self::decode_any(bytes)?;
        let found = (header.place.generation, header.place.offset);
        if found == (generation, offset) { Ok(header) } else { Err(HeaderError::Misplaced) }
    }

    fn decode_any(bytes: &[u8]) -> Result<(Self, u64), HeaderError> {
        let mut head = bytes;
        if bytes.get(..8).ok_or(HeaderError::Short)? != MAGIC {
            return Err(HeaderError::Absent);
        }
        head.advance(8);
        let (kind, flags, key_len) = (head.try_get_u8()?, head.try_get_u8()?, usize::from(head.try_get_u16()?));
        let (header_len, frames) = (usize::from(head.try_get_u16()?), usize::from(head.try_get_u16()?));
        if header_len != FIXED_BYTES + key_len + 8 * frames + CHECKSUM_BYTES || header_len > HEADER_BYTES_MAX {
            return Err(HeaderError::Senseless);
        }
        let (covered, rest) = bytes.split_at_checked(header_len - CHECKSUM_BYTES).ok_or(HeaderError::Short)?;
        let checksum = { rest }.try_get_u64()?;
        if crc64(covered) != checksum {
            return Err(HeaderError::Checksum);
        }
        let shard_len = head.try_get_u32()?;
        let extent = Extent { payload_offset: head.try_get_u32()?, stride: head.try_get_u32()? };
        let revision = head.try_get_u32()?;
        let version = RecordVersion { sequence: head.try_get_u64()?, revision };
        let place =
            RecordPlace { generation: head.try_get_u64()?, offset: head.try_get_u64()?, previous: head.try_get_u64()? };
        let bucket = BucketId::from_bytes(sixteen(&mut head)?);
        let blob = blob_id(&mut head)?;
        let shard = ShardId { chunk: ChunkId { blob, index: head.try_get_u32()? }, number: head.try_get_u8()? };
        let subject = match kind {
            1 => Subject::Shard(decode_facts(covered, head, shard, bucket, (key_len, frames, shard_len))?),
            2 => Subject::Tombstone(Deleted::Blob(blob)),
            3 => Subject::Tombstone(Deleted::Shard(shard)),
            _ => return Err(HeaderError::Senseless),
        };
        let header = Self { subject, version, extent, place, first_of_batch: flags & 1 == 1 };
        header.check_extent(header_len)?;
        Ok((header, checksum))
    }

    /// The payload lies behind the header and before the next record.
    fn check_extent(&self, header_len: usize) -> Result<(), HeaderError> {
        let Extent { payload_offset, stride } = self.extent;
        let end = payload_offset.checked_add(self.subject.payload_len()).ok_or(HeaderError::Senseless)?;
        if payload_offset as usize >= header_len && end <= stride && stride.is_multiple_of(8) {
            Ok(())
        } else {
            Err(HeaderError::Senseless)
        }
    }
}

fn decode_facts(
    covered: &[u8],
    mut head: &[u8],
    shard: ShardId,
    bucket: BucketId,
    (key_len, frames, shard_len): (usize, usize, u32),
) -> Result<ShardFacts, HeaderError> {
    let geometry = get_geometry(&mut head)?;
    let (policy, class) = (PolicyId(head.try_get_u16()?), ResidencyClass(head.try_get_u16()?));
    let epoch = Epoch(head.try_get_u64()?);
    let variable = covered.get(FIXED_BYTES..).ok_or(HeaderError::Short)?;
    let (key, mut table) = variable.split_at_checked(key_len).ok_or(HeaderError::Short)?;
    let key = ObjectKey::new(Bytes::copy_from_slice(key)).map_err(|_| HeaderError::Senseless)?;
    if frame::frames(shard_len) as usize != frames {
        return Err(HeaderError::Senseless);
    }
    let mut checksums = Vec::with_capacity(frames);
    for _ in 0..frames {
        checksums.push(table.try_get_u64()?);
    }
    let owner = Owner { bucket, key };
    Ok(ShardFacts { shard, owner, geometry, policy, class, epoch, frames: checksums, shard_len })
}

/// Writes a geometry in 7 bytes: k, m, 0, chunk size.
pub(super) fn put_geometry(out: &mut Vec<u8>, geometry: Geometry) {
    out.put_slice(&[geometry.k(), geometry.m(), 0]);
    out.put_u32(geometry.chunk_bytes());
}

/// Reads what [`put_geometry`] wrote.
pub(super) fn get_geometry(from: &mut &[u8]) -> Result<Geometry, HeaderError> {
    let (k, m, _) = (from.try_get_u8()?, from.try_get_u8()?, from.try_get_u8()?);
    Geometry::new(k, m, from.try_get_u32()?).map_err(|_| HeaderError::Senseless)
}

/// Reads 16 bytes.
pub(super) fn sixteen(from: &mut &[u8]) -> Result<[u8; 16], TryGetError> {
    Ok(from.try_get_u128()?.to_be_bytes())
}

/// Reads a blob's id.
pub(super) fn blob_id(from: &mut &[u8]) -> Result<BlobId, TryGetError> {
    let mut bytes = [0; BlobId::BYTES];
    from.try_copy_to_slice(&mut bytes)?;
    Ok(BlobId::from_bytes(bytes))
}

/// CRC-64/NVME.
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    couronne_base::crc::of(bytes)
}

/// A length that admission bounded far below; `u16::MAX` would make a header that never decodes.
fn small(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use couronne_placement::Binding;
    use proptest::prelude::*;

    fn header(key: &str, frames: u32, subject: u8) -> Header {
        let shard = ShardId {
            chunk: ChunkId { blob: BlobId::new(7, [9; 10], Binding::to(b"bucket", b"key")), index: 3 },
            number: 5,
        };
        let shard_len = frames * frame::FRAME_BYTES - 1;
        let facts = ShardFacts {
            shard,
            owner: Owner {
                bucket: BucketId::from_bytes([0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]),
                key: ObjectKey::new(key.to_owned()).unwrap(),
            },
            geometry: Geometry::new(4, 2, 4 << 20).unwrap(),
            policy: PolicyId(8),
            class: ResidencyClass(1),
            epoch: Epoch(77),
            frames: (0..u64::from(frames)).collect(),
            shard_len,
        };
        let subject = match subject {
            0 => Subject::Shard(facts),
            1 => Subject::Tombstone(Deleted::Blob(shard.chunk.blob)),
            _ => Subject::Tombstone(Deleted::Shard(shard)),
        };
        let payload_offset = subject.header_len().next_multiple_of(8) as u32;
        let stride = (payload_offset + subject.payload_len()).next_multiple_of(8);
        Header {
            subject,
            version: RecordVersion { sequence: 11, revision: 2 },
            extent: Extent { payload_offset, stride },
            place: RecordPlace { generation: 1, offset: 4096, previous: 3 },
            first_of_batch: true,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn headers_come_back_and_no_flipped_bit_passes(
            key in "[a-z/é]{1,200}", frames in 1u32..256, subject in 0u8..3, at: u64, bit in 0u8..8,
        ) {
            let header = header(&key, frames, subject);
            let mut bytes = Vec::new();
            let checksum = header.encode(&mut bytes);
            assert_eq!(bytes.len(), header.subject.header_len());
            assert_eq!(Header::decode(&bytes, header.place), Ok((header.clone(), checksum)));
            let elsewhere = RecordPlace { offset: 0, ..header.place };
            assert_eq!(Header::decode(&bytes, elsewhere), Err(HeaderError::Misplaced));
            let at = (at % bytes.len() as u64) as usize;
            bytes[at] ^= 1 << bit;
            assert!(Header::decode(&bytes, header.place).is_err());
            assert!(Header::decode(&bytes[..at], header.place).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), magic: bool) {
            if magic && bytes.len() >= 8 {
                bytes[..8].copy_from_slice(MAGIC);
            }
            assert!(Header::decode(&bytes, header("k", 1, 0).place).is_err());
        }
    }

    /// The format of a disk is read for ever: these bytes must stay what is written, and decode.
    #[test]
    fn the_first_format_is_still_read_and_written() {
        let header = header("key", 1, 0);
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        let golden = include_bytes!("../../../tests/fixtures/shard-record-1.bin");
        assert_eq!(bytes, golden);
        assert_eq!(Header::decode(golden, header.place).unwrap().0, header);
    }

    #[test]
    fn the_longest_header_fits() {
        let header = header(&"k".repeat(1024), 256, 0);
        assert!(header.subject.header_len() <= HEADER_BYTES_MAX);
    }
}
