//! The code of one geometry, made once and shared by all its users.

use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::geometry::{Geometry, SHARDS_MAX};

#[cfg(not(target_arch = "x86_64"))]
use super::portable::PortableCoder as Coder;
#[cfg(target_arch = "x86_64")]
use super::vectored::VectoredCoder as Coder;

/// The erasure code of one shape `k + m`.
#[derive(Debug)]
pub struct Codec {
    k: usize,
    m: usize,
    /// Absent where there is nothing to compute: whole copies (`k` = 1), or no parity (`m` = 0).
    coder: Option<Coder>,
}

/// Which of the missing shards to reconstruct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The data shards: what a read needs.
    Data,
    /// All shards: what a repair needs.
    All,
}

/// Why shards could not be encoded or reconstructed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ErasureError {
    /// Another number of shards than the geometry has.
    #[error("{found} shards given where the geometry has {expected}")]
    ShardCount {
        /// The number of shards of the geometry.
        expected: usize,
        /// As given.
        found: usize,
    },
    /// Shards of a stripe have one length.
    #[error("shards of different lengths")]
    ShardLength,
    /// A stripe is lost with fewer than `k` shards.
    #[error("{found} shards are left of which {k} are needed")]
    TooFewShards {
        /// Shards present.
        found: usize,
        /// Shards needed.
        k: usize,
    },
    /// The library refuses what has been checked before: a defect, in us or in it.
    #[error("the erasure code of {k}+{m} failed")]
    Code {
        /// Data shards.
        k: usize,
        /// Parity shards.
        m: usize,
    },
}

/// One place for every shape that a geometry can have, filled at first use: the tables of all of
/// them together would take a few megabytes.
static CODECS: [OnceLock<Option<Codec>>; CODECS_MAX] = [const { OnceLock::new() }; CODECS_MAX];
const CODECS_MAX: usize = (SHARDS_MAX as usize + 1) * SHARDS_MAX as usize;

impl Codec {
    /// The codec of a geometry; its tables are computed at the first call for that shape.
    pub fn of(geometry: &Geometry) -> Result<&'static Self, ErasureError> {
        let (k, m) = (usize::from(geometry.k()), usize::from(geometry.m()));
        let cell = CODECS.get(k * usize::from(SHARDS_MAX) + m);
        let made = cell.and_then(|cell| cell.get_or_init(|| Self::new(k, m)).as_ref());
        made.ok_or(ErasureError::Code { k, m })
    }

    fn new(k: usize, m: usize) -> Option<Self> {
        let coder = if k == 1 || m == 0 { None } else { Some(Coder::new(k, m)?) };
        Some(Self { k, m, coder })
    }

    /// Cuts a chunk in its `k` data shards, each of `ceil(len / k)` bytes.
    ///
    /// They are slices of `chunk`, not copies; only a shard that reaches past its end is copied,
    /// to be padded with zeroes.
    pub fn split(&self, chunk: &Bytes) -> Vec<Bytes> {
        let shard_len = chunk.len().div_ceil(self.k);
        let cut = |shard: usize| {
            let start = (shard * shard_len).min(chunk.len());
            let end = (start + shard_len).min(chunk.len());
            let part = chunk.slice(start..end);
            if part.len() == shard_len {
                return part;
            }
            let mut padded = BytesMut::zeroed(shard_len);
            if let Some(head) = padded.get_mut(..part.len()) {
                head.copy_from_slice(&part);
            }
            padded.freeze()
        };
        (0..self.k).map(cut).collect()
    }

    /// Computes the `m` parity shards of `k` data shards of one length.
    ///
    /// They share one allocation; copies (`k` = 1) share the data's own bytes.
    pub fn encode(&self, data: &[Bytes]) -> Result<Vec<Bytes>, ErasureError> {
        if let (1, [copy]) = (self.k, data) {
            return Ok(vec![copy.clone(); self.m]);
        }
        let len = data.first().map_or(0, Bytes::len);
        let slices: Vec<&[u8]> = data.iter().map(AsRef::as_ref).collect();
        fill_shards(self.m, len, |parity| self.encode_into(&slices, parity))
    }

    /// As [`Codec::encode`], into buffers of the caller's of the data shards' length.
    pub fn encode_into(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Result<(), ErasureError> {
        check_count(self.k, data.len())?;
        check_count(self.m, parity.len())?;
        let lengths = data.iter().map(|shard| shard.len()).chain(parity.iter().map(|shard| shard.len()));
        check_lengths(lengths)?;
        match (&self.coder, data) {
            (Some(coder), _) => coder.encode(data, parity).ok_or(ErasureError::Code { k: self.k, m: self.m }),
            (None, [copy]) => {
                parity.iter_mut().for_each(|shard| shard.copy_from_slice(copy));
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }

    /// Puts back the missing (`None`) shards that are wanted, from any `k` that are there.
    ///
    /// `shards` are all `k + m` of a stripe in order, or the same range of each.
    pub fn reconstruct(&self, shards: &mut [Option<Bytes>], wanted: Wanted) -> Result<(), ErasureError> {
        let reach = match wanted {
            Wanted::Data => self.k,
            Wanted::All => self.k + self.m,
        };
        let slices: Vec<Option<&[u8]>> = shards.iter().map(|shard| shard.as_deref()).collect();
        let len = check_stripe(self.k, self.m, &slices)?;
        let missing = |(_, shard): &(usize, &Option<&[u8]>)| shard.is_none();
        let targets: Vec<usize> = slices.iter().enumerate().take(reach).filter(missing).map(|(i, _)| i).collect();
        if targets.is_empty() {
            return Ok(());
        }
        let rebuilt = match shards.iter().flatten().next() {
            Some(copy) if self.k == 1 => vec![copy.clone(); targets.len()],
            _ => fill_shards(targets.len(), len, |out| self.reconstruct_into(&slices, &targets, out))?,
        };
        for (target, shard) in targets.into_iter().zip(rebuilt) {
            if let Some(place) = shards.get_mut(target) {
                *place = Some(shard);
            }
        }
        Ok(())
    }

    /// Computes the shards numbered `targets` into buffers of the caller's, from any `k` present.
    pub fn reconstruct_into(
        &self,
        shards: &[Option<&[u8]>],
        targets: &[usize],
        out: &mut [&mut [u8]],
    ) -> Result<(), ErasureError> {
        let len = check_stripe(self.k, self.m, shards)?;
        check_count(targets.len(), out.len())?;
        check_lengths(std::iter::once(len).chain(out.iter().map(|shard| shard.len())))?;
        if let Some(beyond) = targets.iter().find(|target| **target >= self.k + self.m) {
            return Err(ErasureError::ShardCount { expected: self.k + self.m, found: *beyond });
        }
        if let Some(coder) = &self.coder {
            return coder.reconstruct(shards, targets, out).ok_or(ErasureError::Code { k: self.k, m: self.m });
        }
        // Whole copies: any is like the other. Without parity all shards are there.
        for (target, buffer) in targets.iter().zip(out) {
            let source =
                if self.k == 1 { shards.iter().flatten().next() } else { shards.get(*target).and_then(Option::as_ref) };
            buffer.copy_from_slice(source.ok_or(ErasureError::TooFewShards { found: 0, k: self.k })?);
        }
        Ok(())
    }
}

/// Checks a stripe of `k + m` places: `k` present, of one length. Returns that length.
fn check_stripe(k: usize, m: usize, shards: &[Option<&[u8]>]) -> Result<usize, ErasureError> {
    check_count(k + m, shards.len())?;
    let present = shards.iter().flatten();
    let found = present.clone().count();
    if found < k {
        return Err(ErasureError::TooFewShards { found, k });
    }
    check_lengths(present.clone().map(|shard| shard.len()))?;
    Ok(present.clone().next().map_or(0, |shard| shard.len()))
}

fn check_count(expected: usize, found: usize) -> Result<(), ErasureError> {
    if expected == found { Ok(()) } else { Err(ErasureError::ShardCount { expected, found }) }
}

fn check_lengths(mut lengths: impl Iterator<Item = usize>) -> Result<(), ErasureError> {
    let first = lengths.next().unwrap_or(0);
    if lengths.all(|len| len == first) { Ok(()) } else { Err(ErasureError::ShardLength) }
}

/// Makes `count` shards of `len` bytes in one allocation, filled by `fill`.
fn fill_shards(
    count: usize,
    len: usize,
    fill: impl FnOnce(&mut [&mut [u8]]) -> Result<(), ErasureError>,
) -> Result<Vec<Bytes>, ErasureError> {
    let mut buffer = BytesMut::zeroed(count * len);
    let mut parts: Vec<&mut [u8]> = match len {
        0 => (0..count).map(|_| Default::default()).collect(),
        _ => buffer.chunks_exact_mut(len).collect(),
    };
    fill(&mut parts)?;
    let shards = buffer.freeze();
    Ok((0..count).map(|shard| shards.slice(shard * len..(shard + 1) * len)).collect())
}
