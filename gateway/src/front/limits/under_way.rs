//! A request under way: its place among all that are, and the holder that the place counts for.
//!
//! Promises: as many requests as may be under way may wait for it; when these places are short, too, the peer that has
//! most of them gives way.
//! Until it is authenticated a request counts for its peer, and all that are not authenticated count as one
//! account; then it counts for its account, and for its bucket once that is found. Only while it waits for its client
//! may it be cut for others. Must not know: HTTP, faces.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use couronne_base::fair::{Claim, Cut, Holder, Patience, Pool, Short};

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

/// The places of requests.
pub(in crate::front) struct Requests {
    under_way: Pool,
    /// Places to wait at.
    waiting: Pool,
}

impl Requests {
    /// So many under way, for which as many may wait.
    pub(in crate::front) fn new(requests_max: usize, patience: Patience) -> Self {
        let at_once = Patience { cut_after: Duration::ZERO, cuts_own: false, give_up_after: Duration::ZERO };
        let requests_max = requests_max as u64;
        Self { under_way: Pool::new(requests_max, patience), waiting: Pool::new(requests_max, at_once) }
    }
}

/// A request's place among those under way. Clones are the same place; it is given back with the last of them.
#[derive(Clone)]
pub struct UnderWay(Arc<Claim>);

impl UnderWay {
    /// A place for a request of this peer, perhaps after a wait.
    pub(in crate::front) async fn begin(requests: &Requests, peer: Holder, cut: &Cut) -> Result<Self, Short> {
        let claim = match requests.under_way.claim_now(peer.clone(), 1, cut) {
            Some(claim) => claim,
            None => {
                let mut place = requests.waiting.claim(peer.clone(), 1, cut);
                place.take_now(1)?;
                let mut claim = requests.under_way.claim(peer, 1, cut);
                claim.take(1).await?;
                claim
            }
        };
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
    use couronne_base::testing::paused;

    /// One peer has all places and waits at all others: it waits at no more, and another peer waits in its stead.
    #[test]
    fn those_that_wait_are_bounded_and_the_peer_with_most_gives_way() {
        paused().block_on(async {
            let long = Duration::from_secs(600);
            let patience = Patience { cut_after: long, cuts_own: true, give_up_after: long };
            let requests = Arc::new(Requests::new(2, patience));
            let begin = |peer: &str| {
                let (requests, peer) = (Arc::clone(&requests), Holder::new(UNKNOWN, peer));
                tokio::spawn(async move { UnderWay::begin(&requests, peer, &Cut::default()).await.map(|_| ()) })
            };
            let (many, other) = (Holder::new(UNKNOWN, "many"), "other");
            let mut held = Vec::new();
            for _ in 0..2 {
                held.push(UnderWay::begin(&requests, many.clone(), &Cut::default()).await.unwrap());
            }
            let (first, second) = (begin("many"), begin("many"));
            tokio::task::yield_now().await;
            assert_eq!(begin("many").await.unwrap(), Err(Short::Waited), "no place to wait at is left");
            let other = begin(other);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let ended = [first.is_finished(), second.is_finished()];
            assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "one of the many gave way");
            assert!(!other.is_finished());
            drop(held);
            assert_eq!(other.await.unwrap(), Ok(()));
        });
    }

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
