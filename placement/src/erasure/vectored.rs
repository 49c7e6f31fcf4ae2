//! The code computed by rusty_erasure: GFNI or AVX2 where the processor has them.
//!
//! Arguments have been checked by the caller; `None` means that the library refused them all the
//! same.

use rusty_erasure::compat::reed_solomon_erasure_matrix;

/// Bytes of a stripe that are coded at a time. The library walks the data once for each four
/// outputs; the further walks should find it in the second-level cache.
const STRIPE_BLOCK_BYTES: usize = 512 << 10;

#[derive(Debug)]
pub(super) struct VectoredCoder(rusty_erasure::Coder);

impl VectoredCoder {
    pub(super) fn new(k: usize, m: usize) -> Option<Self> {
        let matrix = reed_solomon_erasure_matrix(k, m).ok()?;
        rusty_erasure::coder(matrix).ok().map(Self)
    }

    pub(super) fn encode(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Option<()> {
        let data: Vec<Option<&[u8]>> = data.iter().copied().map(Some).collect();
        in_blocks(&data, parity, |data, parity| {
            let data: Vec<&[u8]> = data.iter().copied().flatten().collect();
            self.0.encode(&data, parity).ok()
        })
    }

    /// The decoding matrix is made anew at each call: little, beside fetching the shards.
    pub(super) fn reconstruct(&self, shards: &[Option<&[u8]>], targets: &[usize], out: &mut [&mut [u8]]) -> Option<()> {
        let present: Vec<bool> = shards.iter().map(Option::is_some).collect();
        let plan = self.0.decode_plan(&present, targets).ok()?;
        in_blocks(shards, out, |shards, out| self.0.recover_with(&plan, shards, out).ok())
    }
}

/// Calls `code` on one block of all shards after another.
fn in_blocks(
    shards: &[Option<&[u8]>],
    out: &mut [&mut [u8]],
    code: impl Fn(&[Option<&[u8]>], &mut [&mut [u8]]) -> Option<()>,
) -> Option<()> {
    let len = out.first().map_or(0, |shard| shard.len());
    let block = (STRIPE_BLOCK_BYTES / (shards.len() + out.len())).next_multiple_of(64);
    for start in (0..len).step_by(block) {
        let range = start..len.min(start + block);
        let from: Vec<Option<&[u8]>> =
            shards.iter().map(|shard| shard.and_then(|shard| shard.get(range.clone()))).collect();
        let mut to = out.iter_mut().map(|shard| shard.get_mut(range.clone())).collect::<Option<Vec<&mut [u8]>>>()?;
        code(&from, &mut to)?;
    }
    Some(())
}
