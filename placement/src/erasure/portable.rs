//! The code computed by reed-solomon-erasure, whose matrix is our format: the implementation for
//! processors without a vectored one, and the oracle in tests.

use reed_solomon_erasure::galois_8::ReedSolomon;

#[derive(Debug)]
pub(super) struct PortableCoder(ReedSolomon);

impl PortableCoder {
    pub(super) fn new(k: usize, m: usize) -> Option<Self> {
        ReedSolomon::new(k, m).ok().map(Self)
    }

    pub(super) fn encode(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Option<()> {
        if data.iter().all(|shard| shard.is_empty()) {
            return Some(());
        }
        self.0.encode_sep(data, parity).ok()
    }

    /// Copies the shards that are there: the library wants all of them in writable buffers.
    pub(super) fn reconstruct(&self, shards: &[Option<&[u8]>], targets: &[usize], out: &mut [&mut [u8]]) -> Option<()> {
        let len = out.first().map_or(0, |shard| shard.len());
        if len == 0 {
            return Some(());
        }
        let mut all: Vec<Option<Vec<u8>>> = shards.iter().map(|shard| shard.map(<[u8]>::to_vec)).collect();
        if targets.iter().all(|target| *target < self.0.data_shard_count()) {
            self.0.reconstruct_data(&mut all).ok()?;
        } else {
            self.0.reconstruct(&mut all).ok()?;
        }
        for (target, shard) in targets.iter().zip(out) {
            shard.copy_from_slice(all.get(*target)?.as_ref()?);
        }
        Some(())
    }
}
