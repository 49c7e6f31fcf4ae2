//! A request under way: its place among all that are, and the holder that the place counts for.
//!
//! Promises: a request is authenticated before it waits for a place, for only then is its account known. Until
//! then it has a place for those that arrive, which comes back by our own doing within a moment; when these are short the
//! peer that has most gives way. As many requests as may be under way may wait for it; when these places are short, too,
//! the holder that has most of them gives way.
//! An authenticated request counts for its account, and for a bucket once it may touch that. Within these it counts for the
//! key that signed it or, if it is a link, for all links and among them for this one: a client that got hold of a link takes
//! nothing from those that have the key. A request that is not signed counts for its peer throughout. Only while it waits for its client may it be cut for others.
//! Must not know: HTTP, faces.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
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

/// An answer to one that arrives, and is refused, is taken within six times this, or gives way to the next of its peer.
const ARRIVAL_PATIENCE: Duration = Duration::from_millis(50);

/// The places of requests. Clones are the same places.
#[derive(Clone)]
pub(in crate::front) struct Requests {
    /// Those of requests that are not authenticated yet.
    arriving: Pool,
    under_way: Pool,
    /// Places to wait at.
    waiting: Pool,
}

impl Requests {
    /// So many under way, for which as many may wait, while as many arrive.
    pub(in crate::front) fn new(requests_max: usize, patience: Patience) -> Self {
        let at_once = Patience { cut_after: Duration::ZERO, cuts_own: false, give_up_after: Duration::ZERO };
        let arrival = Patience { cut_after: ARRIVAL_PATIENCE, cuts_own: true, give_up_after: Duration::ZERO };
        let places = |patience| Pool::new(requests_max as u64, patience);
        Self { arriving: places(arrival), under_way: places(patience), waiting: places(at_once) }
    }
}

/// A request's place. Clones are the same place; it is given back with the last of them.
#[derive(Clone)]
pub struct UnderWay(Arc<RequestPlace>);

struct RequestPlace {
    requests: Requests,
    arrival: Claim,
    /// Its place among those under way, once it has one.
    claim: OnceLock<Claim>,
    /// The place of its connection, which counts for the same caller, and waits for its client when the request does.
    connection: Arc<Claim>,
}

impl UnderWay {
    /// A place for a request of this peer, which came on the connection that has that place.
    pub(in crate::front) fn begin(
        requests: &Requests,
        peer: &Holder,
        cut: &Cut,
        connection: Arc<Claim>,
    ) -> Result<Self, Short> {
        let mut arrival = requests.arriving.claim(&lone(peer), 1, cut);
        arrival.take_now(1)?;
        arrival.settle();
        Ok(Self(Arc::new(RequestPlace { requests: requests.clone(), arrival, claim: OnceLock::new(), connection })))
    }

    /// Its caller is known, and the signature that makes the request a link, if it is one: it gets its place among those
    /// under way, perhaps after a wait. Returns the holder that it counts for from now on, as all do that this task takes
    /// shares for.
    pub(in crate::front) async fn authenticated(
        &self,
        caller: &Credential,
        link: Option<&str>,
    ) -> Result<Holder, Short> {
        let behalf = OnBehalf::of_task();
        if caller.caller.is_anonymous() {
            // Nobody answers for it but its peer, whatever it may touch.
            self.take_place(&behalf.peer).await?;
            return Ok(behalf.peer);
        }
        let [_, peer, ..] = behalf.peer.levels();
        let (key, link): (Arc<str>, Arc<str>) = match link {
            Some(link) => ("links".into(), link.into()),
            None => (format!("key {}", caller.access_key).into(), "".into()),
        };
        let on = Holder::new([Arc::clone(peer), Arc::clone(&key), Arc::clone(&link)]);
        self.0.connection.move_to(&on);
        behalf.is_known(vec![key, link, Arc::clone(peer)]);
        let holder = behalf.holder([&*caller.account().id, ""]);
        self.take_place(&holder).await?;
        Ok(holder)
    }

    async fn take_place(&self, holder: &Holder) -> Result<(), Short> {
        let RequestPlace { requests, arrival, .. } = &*self.0;
        let claim = match requests.under_way.claim_now(holder, 1, arrival.cut()) {
            Some(claim) => {
                arrival.give_back(1);
                claim
            }
            None => {
                let mut place = requests.waiting.claim(holder, 1, arrival.cut());
                place.take_now(1)?;
                arrival.give_back(1);
                let mut claim = requests.under_way.claim(holder, 1, arrival.cut());
                claim.take(1).await?;
                claim
            }
        };
        claim.settle();
        // It is taken once.
        drop(self.0.claim.set(claim));
        Ok(())
    }

    /// It may touch this bucket. Returns the holder that it counts for from now on.
    pub(in crate::front) fn authorized(&self, bucket: &Bucket) -> Holder {
        let holder = bucket.holder();
        self.place().move_to(&holder);
        holder
    }

    /// The word that it is cut.
    pub(in crate::front) fn cut(&self) -> &Cut {
        self.place().cut()
    }

    /// It waits for its client until what is returned is dropped.
    pub(in crate::front) fn await_client(&self) -> AwaitsClient {
        self.claims().into_iter().for_each(Claim::depend);
        AwaitsClient(self.clone())
    }

    /// Its client moved so many bytes.
    pub(in crate::front) fn moved(&self, bytes: usize) {
        self.place().moved(bytes as u64);
    }

    fn place(&self) -> &Claim {
        self.0.claim.get().unwrap_or(&self.0.arrival)
    }

    fn claims(&self) -> [&Claim; 2] {
        [self.place(), &self.0.connection]
    }
}

/// A request that waits for its client.
pub(in crate::front) struct AwaitsClient(UnderWay);

impl Drop for AwaitsClient {
    fn drop(&mut self) {
        self.0.claims().into_iter().for_each(Claim::settle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use couronne_base::testing::paused;

    const LONG: Duration = Duration::from_secs(600);

    fn requests(requests_max: usize) -> Requests {
        Requests::new(requests_max, Patience { cut_after: LONG, cuts_own: true, give_up_after: LONG })
    }

    /// A request of a peer that arrives.
    fn arrived(requests: &Requests, peer: &str) -> Result<UnderWay, Short> {
        let patience = Patience { cut_after: LONG, cuts_own: false, give_up_after: LONG };
        let connection = Pool::new(1, patience).claim(&Holder::new([peer]), 1, &Cut::default());
        UnderWay::begin(requests, &Holder::new([UNKNOWN, peer]), &Cut::default(), Arc::new(connection))
    }

    /// The same, which turns out to be of this account.
    async fn begun(requests: Requests, peer: &str, account: &str) -> Result<UnderWay, Short> {
        let request = arrived(&requests, peer)?;
        request.take_place(&Holder::new([account, "", "key", "", peer])).await?;
        Ok(request)
    }

    /// One account has all places and waits at all others, each of its requests from an address of its own: it waits at no
    /// more, and another account waits in its stead.
    #[test]
    fn those_that_wait_are_bounded_and_the_account_with_most_gives_way() {
        paused().block_on(async {
            let requests = requests(2);
            let begin =
                |peer: &'static str, account: &'static str| tokio::spawn(begun(requests.clone(), peer, account));
            let held = [begin("one", "many").await.unwrap(), begin("two", "many").await.unwrap()];
            assert!(held.iter().all(Result::is_ok));
            let (first, second) = (begin("three", "many"), begin("four", "many"));
            tokio::task::yield_now().await;
            let more = begin("five", "many").await.unwrap();
            assert_eq!(more.err(), Some(Short::Waited), "no place to wait at is left");
            let other = begin("six", "other");
            tokio::time::sleep(Duration::from_secs(1)).await;
            let ended = [first.is_finished(), second.is_finished()];
            assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "one of the many gave way");
            assert!(!other.is_finished());
            drop(held);
            assert!(other.await.unwrap().is_ok());
        });
    }

    /// Who is not authenticated yet waits for nobody who is.
    #[test]
    fn those_that_arrive_wait_for_nobody_and_the_peer_with_most_gives_way() {
        paused().block_on(async {
            let requests = requests(2);
            let _held = [begun(requests.clone(), "one", "many").await, begun(requests.clone(), "two", "many").await];
            let _waiting = ["three", "four"].map(|peer| tokio::spawn(begun(requests.clone(), peer, "many")));
            tokio::task::yield_now().await;
            let arriving = [arrived(&requests, "crowd").unwrap(), arrived(&requests, "crowd").unwrap()];
            assert_eq!(arrived(&requests, "crowd").err(), Some(Short::Waited));
            assert!(arrived(&requests, "other").is_ok());
            assert_eq!(arriving.iter().filter(|request| request.cut().is_cut()).count(), 1);
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
