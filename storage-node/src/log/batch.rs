//! Batches and file headers: how a drive's log stands on the disk.
//!
//! A file is a header block, then batches; each begins on a block of 4 KiB, so that a write never
//! touches a block that is durable already, and a torn write can harm nothing but itself.
//! ```text
//! header block, 4096 bytes              batch
//!  0  magic "COURLOG1"                   0  magic "CLOB"
//!  8  sequence u64                       4  body length u32
//! 16  generation u64 (random)            8  generation u64 (the file's)
//! 24  drive u128                        16  offset u64 (its own place in the file)
//! 40  oldest live sequence u64          24  chain u64: checksum of the batch before, or of the header
//! 48  chain u64: checksum of the        32  checksum u64 over bytes 0..32 and the body
//!     last batch of the file before     40  body: records
//! 56  checksum u64 over 0..56               zeroes up to the next block
//! ```
//! Checksums are CRC-64/NVME, integers big-endian. Generation and offset keep old valid bytes of a
//! recycled file, or a misdirected write, from being taken for new ones; the chain keeps order.
//! Must not know: what records mean, the replicas that write.

use bytes::{Buf, BufMut, Bytes};
use couronne_ring::DriveId;

use couronne_base::fixed::Reader;

/// Blocks: the unit that a disk writes whole, and of direct I/O.
pub(super) const BLOCK_BYTES: usize = 4096;

/// Bytes of a batch before its body.
pub(super) const BATCH_HEAD_BYTES: usize = 40;

const FILE_MAGIC: &[u8; 8] = b"COURLOG1";
const BATCH_MAGIC: &[u8; 4] = b"CLOB";
const FILE_HEAD_BYTES: usize = 64;

/// The header of a log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) sequence: u64,
    pub(super) generation: u64,
    pub(super) drive: DriveId,
    pub(super) oldest_live: u64,
    pub(super) chain: u64,
}

fn checksum(parts: [&[u8]; 2]) -> u64 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finalize()
}

impl FileHeader {
    /// The header's block, and the checksum that the first batch chains.
    pub(super) fn encode(&self) -> (Vec<u8>, u64) {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        block.extend_from_slice(FILE_MAGIC);
        block.put_u64(self.sequence);
        block.put_u64(self.generation);
        block.put_u128(self.drive.0);
        block.put_u64(self.oldest_live);
        block.put_u64(self.chain);
        let sum = checksum([&block, &[]]);
        block.put_u64(sum);
        block.resize(BLOCK_BYTES, 0);
        (block, sum)
    }

    /// Whether no header was ever written to this block: a file is written out with zeroes before it has its name,
    /// and a header lies within one sector, which a disk writes whole or not at all.
    pub(super) fn is_unwritten(block: &Bytes) -> bool {
        block.get(..FILE_HEAD_BYTES).is_some_and(|head| head.iter().all(|byte| *byte == 0))
    }

    /// Reads a header block; `None` if it is not one. Also gives the checksum the first batch chains.
    pub(super) fn decode(block: &Bytes) -> Option<(Self, u64)> {
        let covered = block.get(..FILE_HEAD_BYTES - 8)?;
        let mut rest = block.get(..FILE_HEAD_BYTES).map(Bytes::copy_from_slice)?;
        if !rest.starts_with(FILE_MAGIC) {
            return None;
        }
        rest.advance(FILE_MAGIC.len());
        let mut reader = Reader::new(&mut rest, "log file header");
        let header = Self {
            sequence: reader.u64().ok()?,
            generation: reader.u64().ok()?,
            drive: DriveId(reader.u128().ok()?),
            oldest_live: reader.u64().ok()?,
            chain: reader.u64().ok()?,
        };
        let sum = reader.u64().ok()?;
        (sum == checksum([covered, &[]])).then_some((header, sum))
    }
}

/// Fills in the head of a batch whose body stands after [`BATCH_HEAD_BYTES`] reserved bytes, and pads
/// it to whole blocks. Returns its checksum, which the next batch chains.
pub(super) fn finish(batch: &mut Vec<u8>, generation: u64, offset: u64, chain: u64) -> u64 {
    let body_len = u32::try_from(batch.len().saturating_sub(BATCH_HEAD_BYTES)).unwrap_or(u32::MAX);
    let mut head = Vec::with_capacity(BATCH_HEAD_BYTES);
    head.extend_from_slice(BATCH_MAGIC);
    head.put_u32(body_len);
    head.put_u64(generation);
    head.put_u64(offset);
    head.put_u64(chain);
    let sum = checksum([&head, batch.get(BATCH_HEAD_BYTES..).unwrap_or_default()]);
    head.put_u64(sum);
    for (to, from) in batch.iter_mut().zip(head) {
        *to = from;
    }
    batch.resize(batch.len().next_multiple_of(BLOCK_BYTES), 0);
    sum
}

/// A batch read back.
pub(super) struct ReadBatch {
    pub(super) body: Bytes,
    pub(super) sum: u64,
    /// Its length on the disk, padding included.
    pub(super) len: u64,
}

/// Reads the batch at `offset` of a file's bytes; `None` if there is no whole, valid one of this
/// generation there. With `chain`, it must also follow that checksum.
pub(super) fn read(file: &Bytes, offset: usize, generation: u64, chain: Option<u64>) -> Option<ReadBatch> {
    let mut head = file.get(offset..offset.checked_add(BATCH_HEAD_BYTES)?).map(Bytes::copy_from_slice)?;
    let covered = head.slice(..BATCH_HEAD_BYTES - 8);
    if !head.starts_with(BATCH_MAGIC) {
        return None;
    }
    head.advance(BATCH_MAGIC.len());
    let mut reader = Reader::new(&mut head, "log batch");
    let body_len = usize::try_from(reader.u32().ok()?).ok()?;
    let (read_generation, read_offset) = (reader.u64().ok()?, reader.u64().ok()?);
    let (read_chain, sum) = (reader.u64().ok()?, reader.u64().ok()?);
    let ours = read_generation == generation && read_offset == u64::try_from(offset).ok()?;
    if !ours || chain.is_some_and(|chain| chain != read_chain) {
        return None;
    }
    let start = offset.checked_add(BATCH_HEAD_BYTES)?;
    let end = start.checked_add(body_len)?;
    let body = file.get(start..end)?;
    if checksum([&covered, body]) != sum {
        return None;
    }
    let len = (BATCH_HEAD_BYTES + body_len).next_multiple_of(BLOCK_BYTES);
    Some(ReadBatch { body: file.slice(start..end), sum, len: u64::try_from(len).ok()? })
}
