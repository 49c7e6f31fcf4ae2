//! A request under way: its place among all that are, and the holder that the place counts for.
//!
//! Promises: as many requests as may be under way may wait for it; when these places are short, too, the peer that has
//! most of them gives way.
//! Until it is authenticated a request counts for its peer, and all that are not authenticated count as one
//! account; then it counts for its account, and for a bucket once it may touch that. Within these it counts for the key
//! that signed it or, if it is a link, for all links and among them for this one: a client that got hold of a link takes
//! nothing from those that have the key. Only while it waits for its client may it be cut for others.
//! Must not know: HTTP, faces.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use couronne_base::fair::{Claim, Cut, Holder, OnBehalf, Patience, Pool, Short};

use crate::engine::Bucket;
use crate::identity::Credential;

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
    Holder::new([UNKNOWN, &inner])
}

/// A peer as a holder in a pool that peers alone share.
pub(in crate::front) fn lone(peer: &Holder) -> Holder {
    let [_, peer, ..] = peer.levels();
    Holder::new([Arc::clone(peer)])
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
pub struct UnderWay {
    place: Arc<Claim>,
    /// The place of its connection, which counts for the same caller, and waits for its client when the request does.
    connection: Option<Arc<Claim>>,
}

impl UnderWay {
    /// A place for a request of this peer, perhaps after a wait.
    pub(in crate::front) async fn begin(requests: &Requests, peer: Holder, cut: &Cut) -> Result<Self, Short> {
        let claim = match requests.under_way.claim_now(&peer, 1, cut) {
            Some(claim) => claim,
            None => {
                let mut place = requests.waiting.claim(&lone(&peer), 1, cut);
                place.take_now(1)?;
                let mut claim = requests.under_way.claim(&peer, 1, cut);
                claim.take(1).await?;
                claim
            }
        };
        claim.settle();
        Ok(Self { place: Arc::new(claim), connection: None })
    }

    /// It came on the connection that has this place.
    pub(in crate::front) fn on(self, connection: Arc<Claim>) -> Self {
        Self { connection: Some(connection), ..self }
    }

    /// Its caller is known, and the signature that makes the request a link, if it is one. Returns the holder that it
    /// counts for from now on, as all do that this task takes shares for.
    pub(in crate::front) fn authenticated(&self, caller: &Credential, link: Option<&str>) -> Holder {
        let behalf = OnBehalf::of_task();
        let [_, peer, ..] = behalf.peer.levels();
        let (key, link): (Arc<str>, Arc<str>) = match link {
            Some(link) => ("links".into(), link.into()),
            None => (format!("key {}", caller.access_key).into(), "".into()),
        };
        let on = Holder::new([Arc::clone(peer), Arc::clone(&key), Arc::clone(&link)]);
        self.connection.iter().for_each(|connection| connection.move_to(&on));
        behalf.is_known(vec![key, link, Arc::clone(peer)]);
        let holder = behalf.holder([&*caller.account, ""]);
        self.place.move_to(&holder);
        holder
    }

    /// It may touch this bucket. Returns the holder that it counts for from now on.
    pub(in crate::front) fn authorized(&self, bucket: &Bucket) -> Holder {
        let holder = bucket.holder();
        self.place.move_to(&holder);
        holder
    }

    /// The word that it is cut.
    pub(in crate::front) fn cut(&self) -> &Cut {
        self.place.cut()
    }

    /// It waits for its client until what is returned is dropped.
    pub(in crate::front) fn await_client(&self) -> AwaitsClient {
        self.claims().for_each(|claim| claim.depend());
        AwaitsClient(self.clone())
    }

    /// Its client moved so many bytes.
    pub(in crate::front) fn moved(&self, bytes: usize) {
        self.place.moved(bytes as u64);
    }

    fn claims(&self) -> impl Iterator<Item = &Arc<Claim>> {
        std::iter::once(&self.place).chain(&self.connection)
    }
}

/// A request that waits for its client.
pub(in crate::front) struct AwaitsClient(UnderWay);

impl Drop for AwaitsClient {
    fn drop(&mut self) {
        self.0.claims().for_each(|claim| claim.settle());
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
                let (requests, peer) = (Arc::clone(&requests), Holder::new([UNKNOWN, peer]));
                tokio::spawn(async move { UnderWay::begin(&requests, peer, &Cut::default()).await.map(|_| ()) })
            };
            let (many, other) = (Holder::new([UNKNOWN, "many"]), "other");
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
