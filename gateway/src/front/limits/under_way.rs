//! A request under way: its place among all that are, and the holder that the place counts for.
//!
//! Promises: until it is authenticated a request counts for its peer, and all that are not authenticated count as one
//! account; then it counts for its account, and for its bucket once that is found. Only while it waits for its client
//! may it be cut for others. Must not know: HTTP, faces.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use couronne_base::fair::{Claim, Cut, Holder, Pool, Short};

use crate::engine::Bucket;

/// The account that all requests of unknown callers count for. No account has this id.
const UNKNOWN: &str = "unknown";

/// The holder that a peer's connections and unauthenticated requests count for. An address of IPv6 counts as its network of 64
/// bits, which one client may have to itself.
pub fn peer_holder(peer: SocketAddr) -> Holder {
    let inner = match peer.ip().to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    };
    Holder::new(UNKNOWN, inner)
}

/// A request's place among those under way. Clones are the same place; it is given back with the last of them.
#[derive(Clone)]
pub struct UnderWay(Arc<Claim>);

impl UnderWay {
    /// A place for a request of this peer, perhaps after a wait.
    pub(in crate::front) async fn begin(requests: &Pool, peer: Holder, cut: &Cut) -> Result<Self, Short> {
        let mut claim = requests.claim(peer, 1, cut);
        claim.take(1).await?;
        claim.settle();
        Ok(Self(Arc::new(claim)))
    }

    /// Its caller is of this account.
    pub(in crate::front) fn authenticated(&self, account: &str) {
        self.0.move_to(Holder::new(account, ""));
    }

    /// It is about this bucket.
    pub(in crate::front) fn resolved(&self, bucket: &Bucket) {
        self.0.move_to(bucket.holder());
    }

    /// The word that it is cut.
    pub(in crate::front) fn cut(&self) -> &Cut {
        self.0.cut()
    }

    /// It waits for its client until what is returned is dropped.
    pub(in crate::front) fn await_client(&self) -> AwaitsClient {
        self.0.depend();
        AwaitsClient(self.0.clone())
    }

    /// Its client moved so many bytes.
    pub(in crate::front) fn moved(&self, bytes: usize) {
        self.0.moved(bytes as u64);
    }
}

/// A request that waits for its client.
pub(in crate::front) struct AwaitsClient(Arc<Claim>);

impl Drop for AwaitsClient {
    fn drop(&mut self) {
        self.0.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_its_address_or_its_network() {
        let holder = |address: &str| peer_holder(address.parse().unwrap());
        assert_eq!(holder("10.0.0.1:1"), holder("10.0.0.1:2"));
        assert_ne!(holder("10.0.0.1:1"), holder("10.0.0.2:1"));
        assert_eq!(holder("[::ffff:10.0.0.1]:1"), holder("10.0.0.1:1"));
        assert_eq!(holder("[2001:db8:1:2::1]:1"), holder("[2001:db8:1:2:ffff::9]:1"));
        assert_ne!(holder("[2001:db8:1:2::1]:1"), holder("[2001:db8:1:3::1]:1"));
    }
}
