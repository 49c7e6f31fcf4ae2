//! The shares against a model: nothing is given twice, everybody gets on, the holder of most gives way.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::holder::{Holder, LEVELS};
use super::shares::{STIR_BYTES, Shares};
use super::tree::{ClaimId, NodeId, Tree};

const PATIENCE: Duration = Duration::from_millis(50);

fn holder(number: u8) -> Holder {
    Holder::new([format!("account {}", number / 4), format!("bucket {}", number / 2), format!("key {number}")])
}

/// A peer that has a link to the bucket of [`holder`] 0.
fn link(peer: u8) -> Holder {
    Holder::new(["account 0", "bucket 0", "links", "a link", &peer.to_string()])
}

/// A peer of which nothing is known.
fn unknown(peer: u32) -> Holder {
    Holder::new(["unknown", &peer.to_string()])
}

/// A client of the pool in a model: it fills its claim in steps, is written for a while, and begins again.
#[derive(Debug)]
struct Client {
    holder: Holder,
    need: u64,
    step: u64,
    /// How many chunks it still has to send.
    chunks: u32,
    /// It stops sending once it holds so much of a chunk.
    stalls_at: Option<u64>,
    /// It sends a step every so many milliseconds.
    every_ms: u32,
    sends_at: Duration,
    claim: Option<ClaimId>,
    held: u64,
    written_at: Option<Duration>,
    is_cut: bool,
    /// It begins anew when it is cut.
    comes_back: bool,
    /// Each time that it begins it is a peer that was not there before; how often it began.
    from_elsewhere: Option<u32>,
    /// Who it turns out to be once it was given anything.
    becomes: Option<Holder>,
}

impl Client {
    fn new(holder: Holder, need: u64, step: u64, chunks: u32) -> Self {
        let (stalls_at, sends_at) = (None, Duration::ZERO);
        let (claim, held, written_at, is_cut, comes_back, becomes) = (None, 0, None, false, false, None);
        Self {
            holder,
            need,
            step,
            chunks,
            stalls_at,
            every_ms: 1,
            sends_at,
            claim,
            held,
            written_at,
            is_cut,
            comes_back,
            from_elsewhere: None,
            becomes,
        }
    }

    fn every_ms(self, every_ms: u32) -> Self {
        Self { every_ms, ..self }
    }

    fn stalling_at(self, held: u64) -> Self {
        Self { stalls_at: Some(held), ..self }
    }

    fn coming_back(self) -> Self {
        Self { comes_back: true, ..self }
    }

    fn moving_about(self) -> Self {
        Self { from_elsewhere: Some(0), ..self }
    }

    fn becoming(self, holder: Holder) -> Self {
        Self { becomes: Some(holder), ..self }
    }

    fn is_done(&self) -> bool {
        self.chunks == 0 || self.is_cut
    }

    /// How much it sends next.
    fn next_step(&self, need: u64) -> u64 {
        let before = |end: u64| end.saturating_sub(self.held).max(1);
        self.step.min(need - self.held).min(self.stalls_at.map_or(u64::MAX, before))
    }
}

struct Model {
    shares: Shares,
    capacity: u64,
    clients: Vec<Client>,
    now: Duration,
    stagnates: bool,
    /// It is looked who is cut every so many milliseconds.
    cuts_every_ms: u128,
}

impl Model {
    fn new(capacity: u64, clients: Vec<Client>) -> Self {
        Self {
            shares: Shares::new(capacity),
            capacity,
            clients,
            now: Duration::ZERO,
            stagnates: true,
            cuts_every_ms: 1,
        }
    }

    /// One millisecond: every client that can go on does so by a step.
    fn tick(&mut self) {
        self.now += Duration::from_millis(1);
        for at in 0..self.clients.len() {
            self.step(at);
        }
        self.take_up();
        let looks = self.now.as_millis().is_multiple_of(self.cuts_every_ms);
        let cuts = if looks { self.shares.cuts(PATIENCE, self.stagnates, self.now) } else { Vec::new() };
        for cut in cuts {
            let client = self.clients.iter_mut().find(|client| client.claim == Some(cut)).unwrap();
            client.is_cut = !client.comes_back;
            client.held = 0;
            client.claim = None;
            self.shares.leave(cut);
        }
        self.take_up();
        let held: u64 = self.clients.iter().map(|client| client.held).sum();
        assert!(held <= self.capacity, "{held} of {} are held", self.capacity);
        assert_eq!(self.shares.free(), self.capacity - held);
    }

    fn step(&mut self, at: usize) {
        let client = &mut self.clients[at];
        if client.is_done() {
            return;
        }
        let Some(claim) = client.claim else {
            if let Some(times) = &mut client.from_elsewhere {
                *times += 1;
                client.holder = unknown(1 + *times * 1000 + at as u32);
            }
            client.claim = Some(self.shares.join(&client.holder, client.need, self.now));
            return;
        };
        if let Some(written_at) = client.written_at {
            if self.now >= written_at {
                (client.claim, client.written_at, client.held) = (None, None, 0);
                client.chunks -= 1;
                self.shares.leave(claim);
            }
            return;
        }
        if let Some(holder) = client.becomes.as_ref().filter(|_| client.held > 0) {
            self.shares.move_to(claim, holder);
        }
        let need = client.need.min(self.capacity);
        let has_stopped = client.stalls_at.is_some_and(|stalls| client.held >= stalls);
        if client.held == need && !has_stopped {
            self.shares.settle(claim, true, self.now);
            client.written_at = Some(self.now + Duration::from_millis(3));
            return;
        }
        if self.shares.is_waiting(claim) || has_stopped {
            return;
        }
        if self.now < client.sends_at {
            return;
        }
        client.sends_at = self.now + Duration::from_millis(client.every_ms.into());
        let step = client.next_step(need);
        if self.shares.take(claim, step, self.now) {
            client.held += step;
        }
    }

    fn take_up(&mut self) {
        for granted in self.shares.grants(self.now) {
            let client = self.clients.iter_mut().find(|client| client.claim == Some(granted)).unwrap();
            client.held += client.next_step(client.need.min(self.capacity));
            // What it sends next it sends once it was taken.
            client.sends_at = self.now + Duration::from_millis(client.every_ms.into());
        }
    }

    /// Runs until all that do not stall are done; how many of these were cut.
    fn run(&mut self, within: Duration) -> usize {
        let end = self.now + within;
        let sends = |client: &Client| client.stalls_at.is_none();
        while !self.clients.iter().filter(|client| sends(client)).all(Client::is_done) {
            assert!(self.now < end, "nobody gets on: {:?}", self.shares);
            self.tick();
        }
        self.clients.iter().filter(|client| sends(client) && client.is_cut).count()
    }
}

fn sending() -> impl Strategy<Value = Client> {
    (0u8..8, 1u64..200, 1u64..60, 1u32..5)
        .prop_map(|(number, need, step, chunks)| Client::new(holder(number), need, step, chunks))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Clients that all send fill the pool many times over: nobody is cut, and all get through.
    #[test]
    fn half_filled_claims_never_wait_for_each_other(
        clients in prop::collection::vec(sending(), 1..40), capacity in 50u64..400,
    ) {
        let mut model = Model::new(capacity, clients);
        // Whatever waits, waits for what comes back.
        model.stagnates = false;
        let lone = holder(0);
        model.clients.iter_mut().for_each(|client| client.holder = lone.clone());
        prop_assert_eq!(model.run(Duration::from_secs(60)), 0);
    }

    /// Too many clients of one holder, each of which sends slowly: nobody is cut. (A claim that needs all of the pool leaves
    /// nothing to the others while it is filled.)
    #[test]
    fn slow_clients_in_an_overload_are_not_cut(
        clients in prop::collection::vec((1u64..12, 1u64..4, 1u32..5, 1u32..45), 1..60), capacity in 24u64..60,
    ) {
        let honest = |(need, step, chunks, every_ms)| {
            Client::new(holder(0), need * STIR_BYTES, step * STIR_BYTES, chunks).every_ms(every_ms)
        };
        let mut model = Model::new(capacity * STIR_BYTES, clients.into_iter().map(honest).collect());
        prop_assert_eq!(model.run(Duration::from_secs(600)), 0);
    }

    /// Most claims of a holder stop: those of the same holder that get on are given what they need within a few times the
    /// patience, however many the others are, and are not cut.
    #[test]
    fn stopped_claims_give_way_to_those_of_their_holder(
        stopped in 10usize..200, held in 1u64..100, need in 1u64..100, chunks in 1u32..3,
    ) {
        let stop = |_| Client::new(holder(0), 100 * STIR_BYTES, STIR_BYTES, 9).stalling_at(held * STIR_BYTES);
        let mut model = Model::new(1000 * STIR_BYTES, (0..stopped).map(stop).collect());
        (0..200).for_each(|_| model.tick());
        model.clients.push(Client::new(holder(0), need * STIR_BYTES, need.min(25) * STIR_BYTES, chunks));
        prop_assert_eq!(model.run(PATIENCE * (8 + 8 * chunks)), 0);
    }

    /// Some claims of a holder stop and have all of the pool, while another of its clients gets on, slowly: that one keeps
    /// nobody from being given what has stopped.
    #[test]
    fn stopped_claims_give_way_although_another_of_their_holder_gets_on(
        stopped in 11usize..13, need in 60u64..100, every_ms in 20u32..45,
    ) {
        let held = 960 / stopped as u64;
        let stop = |_| Client::new(holder(0), 100 * STIR_BYTES, STIR_BYTES, 9).stalling_at(held * STIR_BYTES);
        let mut model = Model::new(1000 * STIR_BYTES, (0..stopped).map(stop).collect());
        model.clients.push(Client::new(holder(0), 100 * STIR_BYTES, STIR_BYTES, 9).every_ms(every_ms));
        (0..200).for_each(|_| model.tick());
        let waits = model.clients.len();
        model.clients.push(Client::new(holder(0), need * STIR_BYTES, 25 * STIR_BYTES, 1));
        let end = model.now + PATIENCE * 8;
        while !model.clients[waits].is_done() {
            prop_assert!(model.now < end, "it waits: {:?}", model.shares);
            model.tick();
        }
        prop_assert!(!model.clients[waits].is_cut && !model.clients[waits - 1].is_cut);
    }

    /// Peers have a link, and as many claims as they like: some stop when they have something, some wait for the pool and
    /// stop at once when they are given anything. The owner, whose key is another holder of the same bucket, gets chunk
    /// after chunk within a few times the patience each, also while another upload of the owner's gets on slowly. Where
    /// several do, the one that was given least comes first: until they were given as much, the owner may wait.
    #[test]
    fn a_links_claims_keep_its_owner_waiting_for_a_bounded_time(
        links in prop::collection::vec((0u8..4, 1u64..100), 20..200), slow in 0usize..3, every_ms in 20u32..45,
        need in 1u64..100, chunks in 1u32..6,
    ) {
        let stopping = |(peer, held): (u8, u64)| {
            Client::new(link(peer), 100 * STIR_BYTES, STIR_BYTES, 9).stalling_at(held * STIR_BYTES).coming_back()
        };
        let mut model = Model::new(1000 * STIR_BYTES, links.into_iter().map(stopping).collect());
        let slow_one = || Client::new(holder(0), 100 * STIR_BYTES, STIR_BYTES, 9).every_ms(every_ms);
        model.clients.extend((0..slow).map(|_| slow_one()));
        (0..200).for_each(|_| model.tick());
        let owner = model.clients.len();
        model.clients.push(Client::new(holder(0), need * STIR_BYTES, need.min(25) * STIR_BYTES, chunks));
        let others = if slow > 1 { Duration::from_millis(u64::from(every_ms) * need * slow as u64) } else { Duration::ZERO };
        let end = model.now + PATIENCE * (4 + 4 * chunks) + others;
        while !model.clients[owner].is_done() {
            prop_assert!(model.now < end, "it waits: {:?}", model.shares);
            model.tick();
        }
        prop_assert!(model.clients[owner - slow..].iter().all(|client| !client.is_cut), "one of the owner's was cut");
    }

    /// Sockets of a link, each from an address that nobody had before, take all places, one each, stop, and come back when they
    /// are cut: until they are known to be the link's they are peers like any other. Those of another address get theirs
    /// within a few times the patience each, though it is looked only four times in it who is cut.
    #[test]
    fn a_newcomer_is_not_kept_waiting_by_those_that_come_back(
        sockets in 250u32..600, callers in 1usize..5, chunks in 1u32..4,
    ) {
        let stop = |number| {
            let socket = Client::new(unknown(number), 1, 1, 9).stalling_at(1);
            socket.coming_back().moving_about().becoming(link(number as u8))
        };
        let mut model = Model::new(200, (0..sockets).map(stop).collect());
        model.cuts_every_ms = PATIENCE.as_millis() / 4;
        (0..200).for_each(|_| model.tick());
        model.clients.extend((0..callers).map(|_| Client::new(unknown(0), 1, 1, chunks)));
        prop_assert_eq!(model.run(PATIENCE * 16 * chunks), 0);
    }

    /// Some stop in the middle for ever: the others get through all the same.
    #[test]
    fn a_claim_that_stops_keeps_nobody_waiting(
        sending in prop::collection::vec(sending(), 1..20),
        stalling in prop::collection::vec((sending(), 0u64..200), 0..20),
        capacity in 200u64..600,
    ) {
        let stalling = stalling.into_iter().map(|(client, at)| client.stalling_at(at));
        let mut model = Model::new(capacity, sending.into_iter().chain(stalling).collect());
        model.run(Duration::from_secs(60));
    }

    /// One account fills the pool with claims that stop. Another, whose need is below its share, is never cut, and each
    /// of its chunks waits for a bounded time, however many the first one has.
    #[test]
    fn the_holder_of_most_gives_way(
        hoarders in 20usize..60, held in 1u64..100, need in 1u64..100, step in 1u64..100,
    ) {
        let hoard = |_| Client::new(holder(0), 100, 50, 9).stalling_at(held);
        let victim = Client::new(holder(7), need, step, 3);
        let mut model = Model::new(1000, (0..hoarders).map(hoard).chain([victim]).collect());
        (0..20).for_each(|_| model.tick());
        prop_assert_eq!(model.run(Duration::from_millis(900)), 0);
        prop_assert!(!model.clients.last().unwrap().is_cut);
    }

    /// One link fills the pool with claims that stop and come back. A caller of little, be it of another account or the
    /// owner of the link, waits for room once or twice, and not again for each of its chunks.
    #[test]
    fn who_takes_little_again_and_again_does_not_wait_each_time(
        sockets in 40u8..120, held in 5u64..100, is_owner: bool, callers in 1usize..4, need in 1u64..15, pause_ms in 1u32..9,
    ) {
        let stop = |peer| {
            Client::new(link(peer), 100 * STIR_BYTES, 25 * STIR_BYTES, 9).stalling_at(held * STIR_BYTES).coming_back()
        };
        let mut model = Model::new(1000 * STIR_BYTES, (0..sockets).map(stop).collect());
        model.cuts_every_ms = PATIENCE.as_millis() / 4;
        (0..300).for_each(|_| model.tick());
        let holder = holder(if is_owner { 0 } else { 7 });
        let chunks = 60;
        let caller = || Client::new(holder.clone(), need * STIR_BYTES, need * STIR_BYTES, chunks).every_ms(pause_ms);
        model.clients.extend((0..callers).map(|_| caller()));
        // Of a chunk's time 10 ms at most are its client's and the disk's.
        prop_assert_eq!(model.run(PATIENCE * 12 + Duration::from_millis(10) * chunks), 0);
    }

    /// What the shares say of holders is what their claims hold, whatever happens in whatever order.
    #[test]
    fn holders_hold_what_their_claims_hold(
        steps in prop::collection::vec((0u8..8, 0usize..12, 0u8..8, 0u64..60), 0..300), capacity in 1u64..200,
    ) {
        let mut shares = Shares::new(capacity);
        let mut claims = BTreeMap::<ClaimId, (Holder, u64, u64)>::new();
        let mut now = Duration::ZERO;
        for (what, which, number, amount) in steps {
            now += Duration::from_millis(amount * 10);
            let chosen = claims.keys().nth(which).copied();
            match (what, chosen) {
                (0, _) | (_, None) => {
                    let id = shares.join(&holder(number), amount, now);
                    claims.insert(id, (holder(number), 0, 0));
                }
                (1 | 2, Some(id)) if !shares.is_waiting(id) => {
                    let entry = claims.get_mut(&id).unwrap();
                    let taken = amount.min(capacity - entry.1);
                    if shares.take(id, amount, now) { entry.1 += taken } else { entry.2 = taken }
                }
                (3, Some(id)) => {
                    shares.move_to(id, &holder(number));
                    claims.get_mut(&id).unwrap().0 = holder(number);
                }
                (4, Some(id)) => {
                    for cut in shares.cuts(PATIENCE, number % 2 == 0, now) {
                        shares.leave(cut);
                        claims.remove(&cut);
                    }
                    shares.set_idle(id, number % 2 == 0, now);
                }
                (6, Some(id)) => {
                    shares.give_back(id, amount);
                    let entry = claims.get_mut(&id).unwrap();
                    entry.1 -= amount.min(entry.1);
                }
                (7, Some(id)) => shares.settle(id, number % 2 == 0, now),
                (5, Some(id)) => {
                    shares.leave(id);
                    claims.remove(&id);
                }
                _ => {}
            }
            for id in shares.grants(now) {
                let entry = claims.get_mut(&id).unwrap();
                entry.1 += entry.2;
            }
            let held: u64 = claims.values().map(|(_, held, _)| held).sum();
            prop_assert!(held <= capacity);
            prop_assert_eq!(shares.free(), capacity - held);
            for number in 0..8 {
                let one = holder(number);
                let expected: [u64; LEVELS] = std::array::from_fn(|level| {
                    let same = |other: &Holder| other.levels()[..=level] == one.levels()[..=level];
                    claims.values().filter(|(holder, ..)| same(holder)).map(|(_, held, _)| held).sum()
                });
                prop_assert_eq!(shares.held_by(&one), expected);
            }
        }
    }
}

#[test]
fn one_that_is_alone_may_use_all() {
    let mut shares = Shares::new(100);
    for _ in 0..100 {
        let id = shares.join(&holder(0), 1, Duration::ZERO);
        assert!(shares.take(id, 1, Duration::ZERO));
    }
    assert_eq!(shares.free(), 0);
}

#[test]
fn a_place_that_has_stopped_gives_way_to_its_own_holder_where_it_may() {
    let mut shares = Shares::new(2);
    let ids: Vec<_> = (0..2).map(|_| shares.join(&holder(0), 1, Duration::ZERO)).collect();
    assert!(ids.iter().all(|id| shares.take(*id, 1, Duration::ZERO)));
    shares.settle(ids[0], true, Duration::ZERO);
    let late = shares.join(&holder(0), 1, Duration::ZERO);
    let soon = PATIENCE * 5;
    assert!(!shares.take(late, 1, soon));
    assert_eq!(shares.replace(late, PATIENCE, true, soon), None, "none has stopped yet");
    let now = PATIENCE * 6;
    assert_eq!(shares.replace(late, PATIENCE, false, now), None);
    assert_eq!(shares.replace(late, PATIENCE, true, now), Some(vec![ids[1]]), "the other one waits for us");
}

/// Places are given over at once, so those that were cut use them a while longer: a fourth of all at most.
#[test]
fn few_that_were_cut_are_still_there() {
    let mut shares = Shares::new(8);
    let ids: Vec<_> = (0..8).map(|_| shares.join(&holder(0), 1, Duration::ZERO)).collect();
    assert!(ids.iter().all(|id| shares.take(*id, 1, Duration::ZERO)));
    let replace = |shares: &mut Shares| {
        let late = shares.join(&holder(4), 1, Duration::ZERO);
        assert!(!shares.take(late, 1, Duration::ZERO));
        let cut = shares.replace(late, PATIENCE, false, Duration::ZERO);
        if cut.is_none() {
            shares.leave(late);
        }
        cut
    };
    let cut: Vec<_> = (0..2).map(|_| replace(&mut shares).unwrap()).collect();
    assert_eq!(replace(&mut shares), None, "two of eight have not ended");
    shares.leave(cut[0][0]);
    assert!(replace(&mut shares).is_some());
    assert_eq!((shares.free(), replace(&mut shares)), (0, None));
}

/// What is done with each leaf that is found.
type Visit<'a> = &'a mut dyn FnMut(NodeId) -> Option<()>;

/// However many holders and claims there are, what is asked of them is answered in the right order.
#[test]
fn a_tree_of_many_holders_is_asked_in_order() {
    let (mut tree, mut leaves) = (Tree::new(), Vec::new());
    for number in 0..200u64 {
        let leaf = tree.enter(&Holder::new(["a", "b", "c", "d", &number.to_string()]), ClaimId(number));
        tree.add(leaf, (number * 37) % 200);
        tree.set_waiting(leaf, ClaimId(number), number % 3 == 0);
        tree.set_idle(leaf, ClaimId(number), Duration::ZERO, number % 5 == 0);
        leaves.push(leaf);
    }
    let held = |number: u64| (number * 37) % 200;
    let expected = |is_meant: &dyn Fn(u64) -> bool| {
        let mut numbers: Vec<_> = (0..200).filter(|number| is_meant(*number)).collect();
        numbers.sort_by_key(|number| std::cmp::Reverse(held(*number)));
        numbers
    };
    let found = |find: &dyn Fn(Visit<'_>) -> Option<()>| {
        let mut found = Vec::new();
        find(&mut |leaf| {
            found.push(leaves.iter().position(|known| *known == leaf).unwrap() as u64);
            None
        });
        found
    };
    let own = leaves[7];
    assert_eq!(found(&|find| tree.find_largest(own, None, find)), expected(&|_| true));
    let owing = |number| held(number) > held(7) + 20;
    assert_eq!(found(&|find| tree.find_largest(own, Some(20), find)), expected(&owing));
    assert_eq!(found(&|find| tree.find_largest_idle(find)), expected(&|number| number % 5 == 0));
    let neediest = expected(&|number| number % 3 == 0).pop().map(ClaimId);
    assert_eq!(tree.neediest(), neediest);
    for number in (0..200).step_by(3) {
        tree.set_waiting(leaves[number as usize], ClaimId(number), false);
    }
    assert_eq!(tree.neediest(), None);
}

#[test]
fn an_idle_claim_gives_way_to_anybody() {
    let mut shares = Shares::new(3);
    let ids: Vec<_> = (0..3).map(|number| shares.join(&holder(4 * number), 1, Duration::ZERO)).collect();
    assert!(ids.iter().all(|id| shares.take(*id, 1, Duration::ZERO)));
    let late = shares.join(&holder(0), 1, Duration::ZERO);
    let now = Duration::from_secs(9);
    assert!(!shares.take(late, 1, now));
    assert_eq!(shares.replace(late, PATIENCE, false, now), None, "nobody is idle");
    shares.set_idle(ids[2], true, now);
    shares.set_idle(ids[1], true, now + Duration::from_secs(1));
    assert_eq!(shares.replace(late, PATIENCE, false, now), Some(vec![ids[2]]));
    assert!(!shares.is_waiting(late));
    shares.leave(ids[2]);
    assert_eq!(shares.free(), 0);
}
