//! Frames: the unit in which a shard's bytes are sealed and verified.
//!
//! A shard's payload is cut in frames of [`FRAME_BYTES`] (the last may be shorter). Each has a
//! CRC-64/NVME seeded with 64 bits of BLAKE3 over (blob, chunk, shard, frame, geometry): a misdirected
//! write is caught as surely as a flipped bit, and a range read verifies only what it reads. The
//! gateway seals before it sends and verifies what it gets; drives verify when they scrub.

use bytes::Bytes;
use couronne_base::{crc, mutant};
use thiserror::Error;

use crate::{BlobId, Geometry, ShardId};

/// Payload bytes of a full frame.
pub const FRAME_BYTES: u32 = 64 << 10;

/// A frame's bytes are not what was sealed, or belong elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("frame {frame} of shard {shard:?} does not verify")]
pub struct FrameError {
    /// The shard that was asked for.
    pub shard: ShardId,
    /// The frame's number, from 0.
    pub frame: u32,
}

/// How many frames a shard of `shard_len` bytes has.
pub const fn frames(shard_len: u32) -> u32 {
    shard_len.div_ceil(FRAME_BYTES)
}

/// The checksums of all frames of a shard's payload.
pub fn seal(shard: ShardId, geometry: Geometry, payload: &[u8]) -> Vec<u64> {
    let sealed = payload.chunks(FRAME_BYTES as usize).zip(0u32..);
    sealed.map(|(bytes, frame)| checksum(shard, geometry, frame, bytes)).collect()
}

/// Verifies whole frames from `first_frame` on against their checksums; the last may be short. Gives the
/// CRC-64/NVME of their bytes, which falls out on the way.
pub fn verify(
    shard: ShardId,
    geometry: Geometry,
    first_frame: u32,
    checksums: &[u64],
    payload: &Bytes,
) -> Result<u64, FrameError> {
    let expected = payload.len().div_ceil(FRAME_BYTES as usize);
    if checksums.len() != expected {
        return Err(FrameError { shard, frame: first_frame });
    }
    let mut all = 0;
    for ((bytes, sealed), frame) in payload.chunks(FRAME_BYTES as usize).zip(checksums).zip(first_frame..) {
        let mut digest = seeded(shard, geometry, frame);
        let (seed, len) = (digest.finalize(), bytes.len() as u64);
        digest.update(bytes);
        let found = digest.finalize();
        if found != *sealed && !mutant!(SkipVerification) {
            return Err(FrameError { shard, frame });
        }
        all = crc::join(all, crc::rest(found, seed, len), len);
    }
    Ok(all)
}

fn checksum(shard: ShardId, geometry: Geometry, frame: u32, bytes: &[u8]) -> u64 {
    let mut digest = seeded(shard, geometry, frame);
    digest.update(bytes);
    digest.finalize()
}

/// The CRC of a frame before its first byte.
fn seeded(shard: ShardId, geometry: Geometry, frame: u32) -> crc_fast::Digest {
    let mut identity = [0u8; BlobId::BYTES + 4 + 1 + 4 + 1 + 1 + 4];
    let fields: [&[u8]; 7] = [
        &shard.chunk.blob.to_bytes(),
        &shard.chunk.index.to_be_bytes(),
        &[shard.number],
        &frame.to_be_bytes(),
        &[geometry.k()],
        &[geometry.m()],
        &geometry.chunk_bytes().to_be_bytes(),
    ];
    for (to, from) in identity.iter_mut().zip(fields.into_iter().flatten()) {
        *to = *from;
    }
    let [s0, s1, s2, s3, s4, s5, s6, s7, ..] = *blake3::hash(&identity).as_bytes();
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
    digest.update(&[s0, s1, s2, s3, s4, s5, s6, s7]);
    digest
}
