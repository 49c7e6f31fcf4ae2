//! Blobs, chunks and shards: what is placed.
//!
//! A blob is the bytes of one object or of one part. It is cut in chunks; chunk *i* is named by
//! `(blob, i)` alone, so a record's size does not grow with the object. A chunk is encoded into
//! `k + m` shards.

use std::fmt;

/// A blob's identity: 48 bits of birth time (milliseconds since 1970, big-endian), then 80 random bits.
///
/// The birth time lets a range's disown horizon and a drive's clock judge a blob by its id alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; 16]);

impl BlobId {
    /// Makes an id born at `birth_ms` (milliseconds since 1970; the upper 16 bits are dropped).
    pub fn new(birth_ms: u64, random: [u8; 10]) -> Self {
        let [_, _, b0, b1, b2, b3, b4, b5] = birth_ms.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9] = random;
        Self([b0, b1, b2, b3, b4, b5, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9])
    }

    /// Takes an id as it stands on a disk or a wire.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id as it stands on a disk or a wire.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// When the blob was born, in milliseconds since 1970.
    pub fn birth_ms(self) -> u64 {
        let [b0, b1, b2, b3, b4, b5, ..] = self.0;
        u64::from_be_bytes([0, 0, b0, b1, b2, b3, b4, b5])
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// One chunk of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId {
    /// The blob it is cut from.
    pub blob: BlobId,
    /// Its place in the blob, from 0.
    pub index: u32,
}

/// One shard of a chunk: data shards are `0..k`, parity shards `k..k+m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId {
    /// The chunk it encodes.
    pub chunk: ChunkId,
    /// Its number in the stripe, from 0.
    pub number: u8,
}
