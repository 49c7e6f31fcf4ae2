//! Looking access keys up, within bounds: a flood of keys that nobody has must not keep others from theirs.
//!
//! Promises: so many lookups at most are under way, shared fairly among peers, for no caller is known yet; a key that
//! nobody has is looked up once in a short while, and one that this process makes works at once.
//! Must not know: rows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use couronne_base::fair::{Claim, OnBehalf, Patience, Pool, Short};
use parking_lot::Mutex;

/// A lookup under way.
pub(in crate::identity) struct Lookup {
    _place: Claim,
    since: Duration,
    made: u64,
}

/// The bounds of lookups.
pub(in crate::identity) struct Lookups {
    under_way: Pool,
    /// Keys that nobody had, by when they were looked up: the steady clock, before it was.
    unknown: Mutex<HashMap<Box<str>, Duration>>,
    /// How many keys were made here so far.
    made: AtomicU64,
    age_max: Duration,
    unknown_max: usize,
}

impl Lookups {
    /// So many under way, for which a request waits so long; so many unknown keys kept in memory for so long.
    pub(in crate::identity) fn new(lookups_max: usize, wait_ms: u64, age_max_ms: u64, unknown_max: usize) -> Self {
        let give_up_after = Duration::from_millis(wait_ms);
        // They are our own work: nobody is cut.
        let patience = Patience { cut_after: give_up_after, cuts_own: false, give_up_after };
        Self {
            under_way: Pool::new(lookups_max as u64, patience),
            unknown: Mutex::default(),
            made: AtomicU64::new(0),
            age_max: Duration::from_millis(age_max_ms),
            unknown_max,
        }
    }

    /// Begins the lookup of the request that this task carries out, perhaps after a wait.
    pub(in crate::identity) async fn begin(&self, now: Duration) -> Result<Lookup, Short> {
        let OnBehalf { cut, peer, .. } = OnBehalf::of_task();
        let mut place = self.under_way.claim(&peer, 1, &cut);
        place.take(1).await?;
        place.settle();
        Ok(Lookup { _place: place, since: now, made: self.made.load(Ordering::Acquire) })
    }

    /// Whether nobody had this key a short while ago.
    pub(in crate::identity) fn is_unknown(&self, access_key: &str, now: Duration) -> bool {
        self.unknown.lock().get(access_key).is_some_and(|since| now.saturating_sub(*since) < self.age_max)
    }

    /// The lookup found that nobody has this key.
    pub(in crate::identity) fn remember(&self, access_key: &str, lookup: &Lookup) {
        let mut unknown = self.unknown.lock();
        let since = lookup.since;
        // One that was made meanwhile may have been missed.
        if self.made.load(Ordering::Acquire) != lookup.made {
            return;
        }
        if unknown.len() >= self.unknown_max {
            unknown.retain(|_, before| since.saturating_sub(*before) < self.age_max);
        }
        if unknown.len() >= self.unknown_max {
            unknown.clear();
        }
        unknown.insert(access_key.into(), since);
    }

    /// A key was made: what was unknown may be known.
    pub(in crate::identity) fn forget_all(&self) {
        let mut unknown = self.unknown.lock();
        self.made.fetch_add(1, Ordering::AcqRel);
        unknown.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use couronne_base::fair::{Cut, Holder};

    use super::*;

    fn of(peer: &str) -> OnBehalf {
        OnBehalf::new(Cut::default(), Holder::new(["unknown", peer]))
    }

    #[tokio::test]
    async fn a_flood_of_one_peer_lets_another_by() {
        let lookups = Arc::new(Lookups::new(2, 5_000, 1_000, 100));
        let mut under_way = Vec::new();
        for _ in 0..2 {
            under_way.push(of("flood").scope(lookups.begin(Duration::ZERO)).await.unwrap());
        }
        let begin = |peer: &str| {
            let (lookups, behalf) = (Arc::clone(&lookups), of(peer));
            tokio::spawn(async move { behalf.scope(lookups.begin(Duration::ZERO)).await.map(|_| ()) })
        };
        let waiting: Vec<_> = (0..100).map(|_| begin("flood")).collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
        let victim = begin("victim");
        tokio::time::sleep(Duration::from_millis(20)).await;
        under_way.pop();
        victim.await.unwrap().unwrap();
        drop(under_way);
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn unknown_keys_are_bounded_and_forgotten() {
        let lookups = Lookups::new(1, 0, 1_000, 10);
        let at = Duration::from_millis;
        for number in 0..100u64 {
            let lookup = lookups.begin(at(number)).await.unwrap();
            lookups.remember(&number.to_string(), &lookup);
            assert!(lookups.unknown.lock().len() <= 10);
        }
        assert!(lookups.is_unknown("99", at(1_000)) && !lookups.is_unknown("99", at(1_099)));
        // A key made during its lookup may have been missed by it.
        let lookup = lookups.begin(at(200)).await.unwrap();
        lookups.forget_all();
        lookups.remember("late", &lookup);
        assert!(!lookups.is_unknown("late", at(200)) && !lookups.is_unknown("99", at(200)));
    }
}
