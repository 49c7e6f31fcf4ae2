//! Bytes that carry their share of a pool of memory: it is given back with the last reference to them.
//!
//! So what a connection holds and has not sent yet counts for as long as it is held.
//! Must not know: who holds them.

use std::sync::Arc;

use super::Claim;
use bytes::Bytes;

struct Lent {
    bytes: Bytes,
    share: Arc<Claim>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let bytes = self.bytes.len() as u64;
        self.share.moved(bytes);
        self.share.give_back(bytes);
    }
}

/// The bytes, with as much of the share as they take; without a share, as they are.
pub fn lend(bytes: Bytes, share: Option<&Arc<Claim>>) -> Bytes {
    match share {
        Some(share) => Bytes::from_owner(Lent { bytes, share: Arc::clone(share) }),
        None => bytes,
    }
}
