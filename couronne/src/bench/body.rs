//! Bodies of the load generator: incompressible, and no two with an equal block.
//!
//! A server that keeps equal blocks once must not look fast for it, so each 64 KiB of each body is
//! stamped with a number of its own.
//! Must not know: where bodies go.

use bytes::Bytes;
use couronne_base::env::Env;

use super::arguments::Payload;
use super::signing::{UNSIGNED_PAYLOAD, sha256_hex};

/// Distance of the stamps, in bytes.
const BLOCK_BYTES: usize = 64 << 10;

/// Makes bodies of one length for one worker.
pub(crate) struct Bodies {
    pattern: Vec<u8>,
    worker: u64,
    stamp: u64,
    payload: Payload,
}

impl Bodies {
    /// Bodies of `len` bytes; `worker` keeps those of two workers apart.
    pub(crate) fn new(len: usize, worker: u64, payload: Payload, env: &Env) -> Self {
        let mut pattern = vec![0; len];
        env.random.fill(&mut pattern);
        Self { pattern, worker, stamp: 0, payload }
    }

    /// The next body and what its signature says of it.
    pub(crate) fn next(&mut self) -> (Bytes, String) {
        for block in self.pattern.chunks_mut(BLOCK_BYTES) {
            self.stamp += 1;
            let stamp = [self.worker.to_le_bytes(), self.stamp.to_le_bytes()].concat();
            for (byte, stamp) in block.iter_mut().zip(stamp) {
                *byte = stamp;
            }
        }
        let hash = match self.payload {
            Payload::Signed => sha256_hex(&self.pattern),
            Payload::Unsigned => UNSIGNED_PAYLOAD.to_owned(),
        };
        (Bytes::copy_from_slice(&self.pattern), hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_blocks_are_equal() {
        let mut bodies = Bodies::new(2 * BLOCK_BYTES + 100, 3, Payload::Signed, &couronne_base::env::system());
        let (first, first_hash) = bodies.next();
        let (second, second_hash) = bodies.next();
        assert_eq!(first.len(), 2 * BLOCK_BYTES + 100);
        assert_ne!(first_hash, second_hash);
        assert!(first.chunks(BLOCK_BYTES).zip(second.chunks(BLOCK_BYTES)).all(|(one, two)| one != two));
    }
}
