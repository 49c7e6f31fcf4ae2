//! Blobs, chunks and shards: what is placed.
//!
//! A blob is the bytes of one object or of one part. It is cut in chunks; chunk *i* is named by
//! `(blob, i)` alone, so a record's size does not grow with the object. A chunk is encoded into
//! `k + m` shards.

use std::fmt;

use crate::birth;

/// What binds a blob to the one bucket and key that may name it (or the id of a bucket to its name): 128 bits of BLAKE3
/// over both, each behind its length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binding([u8; 16]);

impl Binding {
    /// Binds to a bucket and a key, as they stand on a wire.
    pub fn to(bucket: &[u8], key: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [bucket, key] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Self(bytes)
    }

    /// The digest.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// A blob's identity: 48 bits of birth time (milliseconds since 1970, big-endian), 80 random bits, and its [`Binding`].
///
/// The birth time lets a range's disown horizon and a drive's clock judge a blob by its id alone; the binding lets
/// ranges and drives refuse a blob that is named in another key's place, whichever process sends it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; Self::BYTES]);

impl BlobId {
    /// The length of an id in bytes.
    pub const BYTES: usize = 32;

    /// Makes an id born at `birth_ms` (milliseconds since 1970; the upper 16 bits are dropped).
    pub fn new(birth_ms: u64, random: [u8; 10], binding: Binding) -> Self {
        let mut bytes = [0; Self::BYTES];
        let head = birth::id(birth_ms, random);
        for (to, from) in bytes.iter_mut().zip(head.into_iter().chain(binding.0)) {
            *to = from;
        }
        Self(bytes)
    }

    /// Takes an id as it stands on a disk or a wire.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The id as it stands on a disk or a wire.
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// When the blob was born, in milliseconds since 1970.
    pub fn birth_ms(self) -> u64 {
        birth::birth_ms(&self.0)
    }

    /// The greatest id below this one; `None` for the least of all.
    pub fn before(self) -> Option<Self> {
        let mut bytes = self.0;
        let at = bytes.iter().rposition(|byte| *byte > 0)?;
        for byte in bytes.iter_mut().skip(at) {
            *byte = byte.wrapping_sub(1);
        }
        Some(Self(bytes))
    }

    /// Whether the blob belongs to what the binding is of.
    pub fn is_bound_to(self, binding: Binding) -> bool {
        self.0.ends_with(&binding.0)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
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
