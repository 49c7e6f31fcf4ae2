//! The erasure code: `k` data shards in, `m` parity shards out, any `k` give back the rest.
//!
//! The bytes are a format. Data shards are the chunk's own bytes in order; parity is Reed-Solomon
//! over GF(2^8) with polynomial 0x11d and the systematic matrix that reed-solomon-erasure,
//! klauspost/reedsolomon and Backblaze's library share: a Vandermonde matrix times the inverse of
//! its upper square. Which library computes it is not part of the format: on x86-64 a vectored
//! one, elsewhere a portable one, and tests hold them together byte for byte.
//!
//! Every byte position is coded by itself. So a range of a shard is reconstructed from the same
//! range of others, and a range read need not fetch whole shards.
//!
//! Must not know: where shards lie, checksums (the caller has verified the shards that it passes in).

mod codec;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable;
#[cfg(target_arch = "x86_64")]
mod vectored;

pub use codec::{Codec, ErasureError, Wanted};

#[cfg(test)]
mod tests;
