//! How a blob is cut and encoded: `k` data shards, `m` parity shards, and the chunk size.
//!
//! Shards of a chunk have equal length `ceil(chunk_len / k)`; the last data shards are padded with
//! zeroes for encoding, and the padding is stored (it is at most `k - 1` bytes a chunk).

use thiserror::Error;

/// The most shards a chunk may have (`k + m`).
pub const SHARDS_MAX: u8 = 32;

/// The largest chunk, in bytes. Bounds the memory a request may take.
pub const CHUNK_BYTES_MAX: u32 = 16 << 20;

/// The shape of one blob's stripes. It stands in every row that names the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    k: u8,
    m: u8,
    chunk_bytes: u32,
}

/// Why a geometry was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GeometryError {
    /// `k` is zero or `k + m` exceeds [`SHARDS_MAX`].
    #[error("a stripe takes 1 to 32 shards, at least one of them data (k={k}, m={m})")]
    Shards {
        /// Data shards asked for.
        k: u8,
        /// Parity shards asked for.
        m: u8,
    },
    /// The chunk size is zero or exceeds [`CHUNK_BYTES_MAX`].
    #[error("a chunk takes 1 byte to 16 MiB, not {0}")]
    ChunkBytes(u32),
}

/// Where one chunk lies in its blob, and how long its shards are. All in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLayout {
    /// The chunk's first byte within the blob.
    pub offset: u64,
    /// The chunk's length: the geometry's chunk size, or less for the last chunk.
    pub len: u32,
    /// The length of each of its `k + m` shards.
    pub shard_len: u32,
}

impl Geometry {
    /// Checks and makes a geometry; `chunk_bytes` is the size of every chunk but the last.
    pub fn new(k: u8, m: u8, chunk_bytes: u32) -> Result<Self, GeometryError> {
        if k == 0 || k.checked_add(m).is_none_or(|total| total > SHARDS_MAX) {
            return Err(GeometryError::Shards { k, m });
        }
        if chunk_bytes == 0 || chunk_bytes > CHUNK_BYTES_MAX {
            return Err(GeometryError::ChunkBytes(chunk_bytes));
        }
        Ok(Self { k, m, chunk_bytes })
    }

    /// Data shards of a stripe.
    pub const fn k(&self) -> u8 {
        self.k
    }

    /// Parity shards of a stripe: as many may be lost.
    pub const fn m(&self) -> u8 {
        self.m
    }

    /// All shards of a stripe, `k + m`.
    pub const fn shards(&self) -> u8 {
        self.k + self.m
    }

    /// The size of every chunk but the last, in bytes.
    pub const fn chunk_bytes(&self) -> u32 {
        self.chunk_bytes
    }

    /// How many chunks a blob of `blob_len` bytes has; an empty blob has none.
    pub const fn chunks(&self, blob_len: u64) -> u64 {
        blob_len.div_ceil(self.chunk_bytes as u64)
    }

    /// The place and size of chunk `index` in a blob of `blob_len` bytes; `None` past its end.
    pub fn chunk(&self, blob_len: u64, index: u32) -> Option<ChunkLayout> {
        let offset = u64::from(index) * u64::from(self.chunk_bytes);
        let rest = blob_len.checked_sub(offset).filter(|rest| *rest > 0)?;
        let len = u32::try_from(rest).map_or(self.chunk_bytes, |rest| rest.min(self.chunk_bytes));
        Some(ChunkLayout { offset, len, shard_len: self.shard_len(len) })
    }

    /// The length of each shard of a chunk of `chunk_len` bytes.
    pub const fn shard_len(&self, chunk_len: u32) -> u32 {
        chunk_len.div_ceil(self.k as u32)
    }
}
