//! Who holds how much of a pool, who gets the next of it, and who is cut. Pure: the time is passed in.
//!
//! A claim says how much it will need at most, and takes it as it comes. While it is filled it depends on its client;
//! once it is *settled* (or cut) its share comes back by our own doing.
//!
//! Half-filled claims cannot all wait for each other: of what the pool holds, as much as the largest unfinished claim
//! needs is out of reach for all but one claim, the *front*. So the front is always filled, settled, and its share comes
//! back. The front is chosen among those that wait, and may be replaced once its client stops or takes long.
//!
//! Once somebody was cut for another caller, who has much leaves a part of the pool to those who have little, for as long
//! as such are there and a while longer: so a caller of little waits once or twice, and not again for each thing that it
//! takes.
//!
//! Must not know: what is shared, clocks, tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::holder::{Holder, LEVELS};
use super::tree::{CALLER_LEVELS, ClaimId, NodeId, Tree};

/// A claim's rate is taken as if so many bytes more had been moved in one second more: one that began a moment ago is
/// not slow.
const ASSUMED_BYTES: u64 = 1 << 20;

/// The front is left in its place for this many times the patience of those that wait, as long as it gets on.
const FRONT_PATIENCE: u32 = 4;

/// A claim has stopped once its client was waited for, for [`STOP_PATIENCE`] times the patience, and moved less than this.
pub(super) const STIR_BYTES: u64 = 16 << 10;

/// See [`STIR_BYTES`].
const STOP_PATIENCE: u32 = 6;

/// After so many times the patience claims of a holder that have stopped are cut for one of the same holder.
const OWN_PATIENCE: u32 = 2;

/// Of the pool, one part in so many is freed at once for claims that wait beside another.
const PARTS_FREED: u64 = 8;

/// Of a holder's claims so many are compared at most, the oldest ones: what one of them costs does not grow with them.
const COMPARED_MAX: usize = 256;

/// Of the pool, one part in so many may be used by claims that were cut, and whose places are others' already.
const PARTS_LENT: u64 = 4;

/// Who has much holds at most so many times what is left, while the pool is contended; and a caller of little of an account
/// that has much, twice as many.
const TIMES_LEFT: u64 = 7;

/// The pool is contended for so long after somebody was cut for another caller, or a caller of little was given something
/// while others waited.
const CONTENDED_FOR: Duration = Duration::from_secs(10);

/// The shares of a pool.
#[derive(Debug)]
pub(super) struct Shares {
    capacity: u64,
    /// What all claims hold.
    held: u64,
    /// Of that, what claims hold that are neither settled nor cut.
    unsettled: u64,
    /// What is others' already of claims that were cut and have not ended: it is used beside what is held.
    lent: u64,
    claims: BTreeMap<ClaimId, ClaimState>,
    waiting: BTreeMap<ClaimId, Wait>,
    /// The holders, cut claims apart from what they hold.
    tree: Tree,
    /// What claims need that are unfinished, and how many of them need as much.
    needs: BTreeMap<u64, usize>,
    front: Option<ClaimId>,
    /// When the front became it.
    front_since: Duration,
    /// When anybody was given anything.
    granted_at: Duration,
    /// Until when the pool is contended.
    contended_until: Duration,
    next: u64,
}

#[derive(Debug)]
struct ClaimState {
    holder: NodeId,
    need: u64,
    held: u64,
    /// What it held when it was cut, and is another's now.
    lent: u64,
    /// Since when its share comes back by our own doing.
    settled_at: Option<Duration>,
    is_cut: bool,
    /// Since when its client asks for nothing.
    idle_since: Option<Duration>,
    /// What its client moved beside what it holds.
    moved: u64,
    since: Duration,
    granted_at: Duration,
    /// How long it waited for the pool, or was settled: the time that its client was not waited for.
    waited: Duration,
    /// What its client moved lately, below [`STIR_BYTES`], and how long the client had been waited for before that.
    lately: u64,
    lately_since: Duration,
}

#[derive(Debug)]
struct Wait {
    amount: u64,
    since: Duration,
    /// What its holder had been given when it began.
    granted_before: u64,
}

impl ClaimState {
    const fn is_settled(&self) -> bool {
        self.settled_at.is_some()
    }

    /// Whether it has what depends on its client.
    const fn is_cuttable(&self) -> bool {
        !self.is_settled() && self.held > 0
    }

    const fn is_unfinished(&self) -> bool {
        !self.is_settled() && self.held < self.need
    }

    /// How long its client was waited for.
    fn client_time(&self, now: Duration, waits_since: Option<Duration>) -> Duration {
        let ours = |since: Option<Duration>| since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let waiting = ours(waits_since).max(ours(self.settled_at));
        now.saturating_sub(self.since).saturating_sub(self.waited).saturating_sub(waiting)
    }

    /// Bytes a second that its client moves.
    fn rate(&self, now: Duration, waits_since: Option<Duration>) -> u64 {
        let spent = self.client_time(now, waits_since);
        let millis = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX).saturating_add(1000);
        let moved = self.held.saturating_add(self.moved).saturating_add(ASSUMED_BYTES);
        moved.saturating_mul(1000) / millis
    }

    /// Its client moved so many bytes, and does not wait for the pool.
    fn stir(&mut self, bytes: u64, now: Duration) {
        self.lately = self.lately.saturating_add(bytes);
        if self.lately >= STIR_BYTES {
            (self.lately, self.lately_since) = (0, self.client_time(now, None));
        }
    }

    /// Whether its client moved next to nothing in the time that it was waited for.
    fn has_stopped(&self, patience: Duration, now: Duration, waits_since: Option<Duration>) -> bool {
        let spent = self.client_time(now, waits_since).saturating_sub(self.lately_since);
        spent >= patience * STOP_PATIENCE
    }
}

impl Shares {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            held: 0,
            unsettled: 0,
            lent: 0,
            claims: BTreeMap::new(),
            waiting: BTreeMap::new(),
            tree: Tree::new(),
            needs: BTreeMap::new(),
            front: None,
            front_since: Duration::ZERO,
            granted_at: Duration::ZERO,
            contended_until: Duration::ZERO,
            next: 0,
        }
    }

    /// What is left.
    pub(super) const fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.held)
    }

    pub(super) const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Whether a claim waits for what it took.
    pub(super) fn is_waiting(&self, id: ClaimId) -> bool {
        self.waiting.contains_key(&id)
    }

    /// A new claim, which will need so much at most. One that needs more than the pool is given all of it, alone.
    pub(super) fn join(&mut self, holder: &Holder, need: u64, now: Duration) -> ClaimId {
        let id = ClaimId(self.next);
        self.next += 1;
        let claim = ClaimState {
            holder: self.tree.enter(holder, id),
            need: need.min(self.capacity),
            held: 0,
            lent: 0,
            settled_at: None,
            is_cut: false,
            idle_since: None,
            moved: 0,
            since: now,
            granted_at: now,
            waited: Duration::ZERO,
            lately: 0,
            lately_since: Duration::ZERO,
        };
        self.count_need(claim.need, true);
        self.claims.insert(id, claim);
        id
    }

    /// Takes so much more, at once or, as [`Shares::grants`] will say, later.
    pub(super) fn take(&mut self, id: ClaimId, amount: u64, now: Duration) -> bool {
        let Some(claim) = self.claims.get_mut(&id) else { return true };
        let amount = amount.min(self.capacity.saturating_sub(claim.held));
        let (before, wanted) = (claim.need, claim.held.saturating_add(amount));
        if amount == 0 {
            return true;
        }
        if wanted > before && !claim.is_settled() {
            let was_counted = claim.is_unfinished();
            claim.need = wanted;
            if was_counted {
                self.count_need(before, false);
            }
            self.count_need(wanted, true);
        }
        if self.waiting.is_empty() && self.fits(id, amount, now) {
            self.grant(id, amount, now);
            return true;
        }
        let granted_before = self.granted_to(id);
        self.waiting.insert(id, Wait { amount, since: now, granted_before });
        self.mark_waiting(id, true);
        false
    }

    /// The claim does not wait any more.
    pub(super) fn stop_waiting(&mut self, id: ClaimId) {
        if self.waiting.remove(&id).is_some() {
            self.mark_waiting(id, false);
        }
    }

    /// Who of those that wait gets what it took, now that something may have come back.
    pub(super) fn grants(&mut self, now: Duration) -> Vec<ClaimId> {
        let mut granted = Vec::new();
        while !self.waiting.is_empty() {
            if self.front.is_none() {
                self.put_first(self.tree.neediest(), now);
            }
            // Nobody takes before the front what the front waits for.
            let front = self.front.filter(|front| self.is_waiting(*front) && !self.has_to_leave(*front, now));
            let Some(id) = front.or_else(|| self.tree.neediest()) else { break };
            let amount = self.waiting.get(&id).map(|wait| wait.amount);
            let Some(amount) = amount.filter(|amount| self.fits(id, *amount, now)) else { break };
            let since = self.waiting.get(&id).map_or(now, |wait| wait.since);
            self.stop_waiting(id);
            if let Some(claim) = self.claims.get_mut(&id) {
                claim.waited += now.saturating_sub(since);
            }
            self.grant(id, amount, now);
            granted.push(id);
        }
        granted
    }

    /// Who is cut, now that a claim has waited for `patience`: the slowest of the holder that holds most, as many as it
    /// takes for that claim to be filled, and for those beside it that have waited as long. If no holder holds more than
    /// that of the claim, then, with `cuts_own`, of its own holder those that have stopped, once the holder was given less
    /// than the claim may need for as long as it takes to know; and the slowest, once nobody was given anything for
    /// `patience`.
    pub(super) fn cuts(&mut self, patience: Duration, cuts_own: bool, now: Duration) -> Vec<ClaimId> {
        let overdue = |wait: &Wait| now.saturating_sub(wait.since) >= patience;
        // Of one holder's the one that was given least, and asks for least.
        let least_given = |claim: &ClaimState, wait: &Wait| (claim.held, wait.amount);
        let Some(first) = self.first_waiting(overdue, least_given) else { return Vec::new() };
        // A front that gets on is left in its place: what it waits for comes first.
        let id = match self.front.filter(|front| !self.is_replaceable(*front, patience, now)) {
            Some(front) if self.waiting.get(&front).is_some_and(overdue) => front,
            Some(front) if front != first => return Vec::new(),
            _ => first,
        };
        // Where one waits again there is room from then on for what its caller takes next.
        let need = self.claims.get(&id).map_or(0, |claim| claim.need);
        let beside = if now < self.contended_until { need } else { 0 };
        let mut cut = Vec::new();
        if cuts_own && self.is_starved(id, patience, now) {
            self.cut_stopped(id, patience, now, &mut cut);
        }
        let stagnates = cuts_own && now.saturating_sub(self.granted_at) >= patience;
        // As much as the front may need has to be out of reach for all others.
        while self.unsettled_without(id) > self.capacity.saturating_sub(self.need_max()) {
            let Some(victim) = self.slowest_of_largest(id, stagnates, now) else { return cut };
            self.note_contention(victim, id, now);
            self.cut(victim, now);
            cut.push(victim);
            if victim == id {
                return cut;
            }
        }
        self.put_first(Some(id), now);
        self.cut_for_others(id, beside, overdue, now, &mut cut);
        cut
    }

    /// Cuts claims of other callers that hold more, for all that have waited as long as `id` and have its outermost name, and
    /// for so much `beside`: a part of the pool at most. Where many small claims wait, one at a time would be too late for
    /// them.
    fn cut_for_others(
        &mut self,
        id: ClaimId,
        beside: u64,
        overdue: impl Fn(&Wait) -> bool,
        now: Duration,
        cut: &mut Vec<ClaimId>,
    ) {
        let Some(own) = self.claims.get(&id).map(|claim| claim.holder) else { return };
        let is_beside = |holder: NodeId| self.tree.have_one_outermost(holder, own);
        let waits = |id: &ClaimId| self.claims.get(id).is_some_and(|claim| is_beside(claim.holder));
        let others = self.waiting.iter().filter(|(other, wait)| **other != id && overdue(wait) && waits(other));
        let wanted = others.fold(beside, |wanted, (_, wait)| wanted.saturating_add(wait.amount));
        let room = wanted.min(self.capacity / PARTS_FREED);
        while self.unsettled_without(id) > self.capacity.saturating_sub(self.need_max().saturating_add(room)) {
            let victim = self.tree.find_largest(own, Some(room), &mut |holder| {
                let is_other = !self.tree.are_one_caller(holder, own);
                is_other.then(|| self.slowest(holder, ClaimState::is_cuttable, now)).flatten()
            });
            let Some(victim) = victim else { return };
            self.note_contention(victim, id, now);
            self.cut(victim, now);
            cut.push(victim);
        }
    }

    /// Who is cut at once so that a claim that waits for a place has it, in a pool whose claims hold one place each. The
    /// place is the claim's from now on, though the claim that was cut ends a moment later; while too many have not ended yet
    /// nobody is cut. For a claim of another
    /// outermost name any is cut; for one of the same, those that are idle or have stopped; for one of the very same holder,
    /// with `cuts_own`, those that have stopped.
    pub(super) fn replace(
        &mut self,
        id: ClaimId,
        patience: Duration,
        cuts_own: bool,
        now: Duration,
    ) -> Option<Vec<ClaimId>> {
        let wanted = self.waiting.get(&id)?.amount;
        let mut cut = Vec::new();
        let lent_max = (self.capacity / PARTS_LENT).max(1);
        while self.free() < wanted {
            if self.lent >= lent_max {
                return None;
            }
            let own = self.claims.get(&id).map(|claim| claim.holder).filter(|_| cuts_own);
            let stopped = || self.largest_stopped(own?, patience, now);
            let victim = self.replaceable(id, patience, now).or_else(stopped).filter(|victim| *victim != id)?;
            self.cut(victim, now);
            if let Some(claim) = self.claims.get_mut(&victim) {
                claim.lent = std::mem::take(&mut claim.held);
                self.held = self.held.saturating_sub(claim.lent);
                self.lent = self.lent.saturating_add(claim.lent);
            }
            cut.push(victim);
        }
        self.stop_waiting(id);
        self.grant(id, wanted, now);
        Some(cut)
    }

    /// Whether the claim's share will come back by our own doing, or depends on its client.
    pub(super) fn settle(&mut self, id: ClaimId, is_settled: bool, now: Duration) {
        let Some(claim) = self.claims.get_mut(&id) else { return };
        if claim.is_settled() == is_settled || claim.is_cut {
            return;
        }
        let (need, held, counted) = (claim.need, claim.held, claim.is_unfinished());
        let settled_at = std::mem::replace(&mut claim.settled_at, is_settled.then_some(now));
        claim.waited += settled_at.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let counts = claim.is_unfinished();
        if counted != counts {
            self.count_need(need, counts);
        }
        if is_settled {
            self.unsettled = self.unsettled.saturating_sub(held);
            self.front = self.front.filter(|front| *front != id);
        } else {
            self.unsettled = self.unsettled.saturating_add(held);
        }
    }

    /// The claim gives back a part of what it holds, and needs as much less.
    pub(super) fn give_back(&mut self, id: ClaimId, amount: u64) {
        let Some(claim) = self.claims.get_mut(&id) else { return };
        let amount = amount.min(claim.held);
        let (need, counted) = (claim.need, claim.is_unfinished());
        claim.held = claim.held.saturating_sub(amount);
        claim.need = claim.need.saturating_sub(amount);
        let (holder, is_settled, is_cut, needs) = (claim.holder, claim.is_settled(), claim.is_cut, claim.need);
        if counted {
            self.count_need(need, false);
            self.count_need(needs, true);
        }
        self.held = self.held.saturating_sub(amount);
        if !is_settled {
            self.unsettled = self.unsettled.saturating_sub(amount);
        }
        if !is_cut {
            self.tree.subtract(holder, amount);
        }
    }

    /// The claim ends, and gives back what it holds.
    pub(super) fn leave(&mut self, id: ClaimId) {
        self.stop_waiting(id);
        self.settle(id, true, Duration::ZERO);
        self.mark_idle(id, None);
        let Some(claim) = self.claims.remove(&id) else { return };
        self.held = self.held.saturating_sub(claim.held);
        self.lent = self.lent.saturating_sub(claim.lent);
        if !claim.is_cut {
            self.tree.subtract(claim.holder, claim.held);
        }
        self.tree.leave(claim.holder, id);
    }

    /// The claim's client moved so many bytes.
    pub(super) fn moved(&mut self, id: ClaimId, bytes: u64, now: Duration) {
        if let Some(claim) = self.claims.get_mut(&id) {
            claim.moved = claim.moved.saturating_add(bytes);
            claim.stir(bytes, now);
        }
    }

    /// The claim's client begins or ends asking for something. An idle claim is cut before others of its holder, and
    /// for the claims that wait.
    pub(super) fn set_idle(&mut self, id: ClaimId, is_idle: bool, now: Duration) {
        self.mark_idle(id, is_idle.then_some(now));
        if let Some(claim) = self.claims.get_mut(&id) {
            // What it does from now on is judged.
            (claim.since, claim.waited, claim.moved) = (now, Duration::ZERO, 0);
            (claim.lately, claim.lately_since) = (0, Duration::ZERO);
            claim.settled_at = claim.settled_at.map(|_| now);
        }
    }

    /// From now on the claim is another holder's.
    pub(super) fn move_to(&mut self, id: ClaimId, holder: &Holder) {
        let is_waiting = self.is_waiting(id);
        let Some(idle_since) = self.claims.get(&id).map(|claim| claim.idle_since) else { return };
        self.mark_waiting(id, false);
        self.mark_idle(id, None);
        let to = self.tree.enter(holder, id);
        let Some(claim) = self.claims.get_mut(&id) else { return };
        let held = if claim.is_cut { 0 } else { claim.held };
        let before = std::mem::replace(&mut claim.holder, to);
        self.tree.subtract(before, held);
        self.tree.add(to, held);
        if before != to {
            self.tree.leave(before, id);
        }
        self.mark_waiting(id, is_waiting);
        self.mark_idle(id, idle_since);
    }

    /// What a holder holds at each level, cut claims apart.
    pub(super) fn held_by(&self, holder: &Holder) -> [u64; LEVELS] {
        self.tree.held_by(holder)
    }

    /// One claim is cut for another: if that is another caller's, the pool is contended.
    fn note_contention(&mut self, cut: ClaimId, id: ClaimId, now: Duration) {
        let holder = |id: &ClaimId| self.claims.get(id).map(|claim| claim.holder);
        let (Some(one), Some(other)) = (holder(&cut), holder(&id)) else { return };
        if !self.tree.are_one_caller(one, other) {
            self.contended_until = now.saturating_add(CONTENDED_FOR);
        }
    }

    /// Whether a claim leaves what it waits for to callers that have less. A front that has something is filled, and one
    /// whose caller has little within its account is given something.
    fn has_to_leave(&self, id: ClaimId, now: Duration) -> bool {
        let Some(claim) = self.claims.get(&id).filter(|_| now < self.contended_until) else { return false };
        let is_front = self.front == Some(id);
        let ([account, inner @ ..], left) = (self.tree.held(claim.holder), self.left());
        let is_little = |held: u64, times: u64| held <= left.saturating_mul(times);
        let has_little_inside = || inner.iter().take(CALLER_LEVELS - 1).any(|held| is_little(*held, TIMES_LEFT));
        let may_take = is_little(account, TIMES_LEFT)
            || (is_front && claim.held > 0)
            || (has_little_inside() && (is_front || is_little(account, 2 * TIMES_LEFT)));
        !may_take
    }

    /// Whether a caller has no more than what is left.
    fn has_little(&self, holder: NodeId) -> bool {
        let left = self.left();
        self.tree.held(holder).iter().take(CALLER_LEVELS).any(|held| *held <= left)
    }

    /// What is left to others than the front.
    fn left(&self) -> u64 {
        self.free().min(self.room(self.need_max()))
    }

    /// Whether the claim may have so much more now.
    fn fits(&self, id: ClaimId, amount: u64, now: Duration) -> bool {
        if amount > self.free() || self.has_to_leave(id, now) {
            return false;
        }
        let (Some(claim), false) = (self.claims.get(&id), self.front == Some(id)) else { return true };
        let finishes = claim.is_unfinished() && claim.held.saturating_add(amount) >= claim.need;
        let need_max = if finishes { self.need_max_without(claim.need) } else { self.need_max() };
        amount <= self.room(need_max)
    }

    /// What is left to others than the front, which may need so much.
    fn room(&self, need_max: u64) -> u64 {
        let front = self.front.and_then(|front| self.claims.get(&front)).map_or(0, |front| front.held);
        self.capacity.saturating_sub(need_max).saturating_sub(self.unsettled.saturating_sub(front))
    }

    fn grant(&mut self, id: ClaimId, amount: u64, now: Duration) {
        let Some(claim) = self.claims.get_mut(&id) else { return };
        let (was_counted, need) = (claim.is_unfinished(), claim.need);
        claim.held = claim.held.saturating_add(amount);
        claim.granted_at = now;
        claim.stir(amount, now);
        let (is_finished, is_settled, is_cut) = (!claim.is_unfinished(), claim.is_settled(), claim.is_cut);
        let holder = claim.holder;
        self.held = self.held.saturating_add(amount);
        if !is_settled {
            self.unsettled = self.unsettled.saturating_add(amount);
        }
        if now < self.contended_until && !self.waiting.is_empty() && self.has_little(holder) {
            self.contended_until = now.saturating_add(CONTENDED_FOR);
        }
        if !is_cut {
            self.tree.add(holder, amount);
        }
        self.tree.granted(holder, amount);
        if was_counted && is_finished {
            self.count_need(need, false);
        }
        if is_finished {
            self.front = self.front.filter(|front| *front != id);
        }
        self.granted_at = now;
    }

    fn cut(&mut self, id: ClaimId, now: Duration) {
        self.settle(id, true, now);
        self.stop_waiting(id);
        self.mark_idle(id, None);
        let Some(claim) = self.claims.get_mut(&id) else { return };
        claim.is_cut = true;
        let (holder, held) = (claim.holder, claim.held);
        self.tree.subtract(holder, held);
    }

    /// Makes a claim the front, if it is unfinished.
    fn put_first(&mut self, id: Option<ClaimId>, now: Duration) {
        let is_unfinished = |id: &ClaimId| self.claims.get(id).is_some_and(ClaimState::is_unfinished);
        let before = std::mem::replace(&mut self.front, id.filter(is_unfinished));
        if self.front != before {
            self.front_since = now;
        }
    }

    /// Whether the front's client has stopped, or the front has been it for long.
    fn is_replaceable(&self, front: ClaimId, patience: Duration, now: Duration) -> bool {
        let Some(claim) = self.claims.get(&front) else { return true };
        let waits_since = self.waiting.get(&front).map(|wait| wait.since);
        let stopped = waits_since.is_none() && now.saturating_sub(claim.granted_at) >= patience;
        stopped
            || self.has_to_leave(front, now)
            || claim.has_stopped(patience, now, waits_since)
            || now.saturating_sub(self.front_since) >= patience * FRONT_PATIENCE
    }

    /// Of those that wait, the one whose holder holds least; of these the one with the least rank, and the oldest.
    fn first_waiting<R: Ord>(
        &self,
        of: impl Fn(&Wait) -> bool,
        rank: impl Fn(&ClaimState, &Wait) -> R,
    ) -> Option<ClaimId> {
        let waiting = self.waiting.iter().filter(|(_, wait)| of(wait));
        let claims = waiting.filter_map(|(id, wait)| Some((*id, self.claims.get(id)?, wait)));
        let first = claims.min_by_key(|(id, claim, wait)| (self.tree.held(claim.holder), rank(claim, wait), *id));
        first.map(|(id, ..)| id)
    }

    /// What the holder of a claim was given, ever.
    fn granted_to(&self, id: ClaimId) -> u64 {
        self.claims.get(&id).map_or(0, |claim| self.tree.granted_to(claim.holder))
    }

    /// Whether a claim has waited for long while its holder was given less than one claim may need.
    fn is_starved(&self, id: ClaimId, patience: Duration, now: Duration) -> bool {
        let Some(wait) = self.waiting.get(&id) else { return false };
        let granted = self.granted_to(id).saturating_sub(wait.granted_before);
        now.saturating_sub(wait.since) >= patience * OWN_PATIENCE && granted < self.need_max()
    }

    /// Cuts claims of a claim's holder that have stopped, for all of the holder's that wait: a part of the pool at most.
    fn cut_stopped(&mut self, id: ClaimId, patience: Duration, now: Duration, cut: &mut Vec<ClaimId>) {
        let Some(own) = self.claims.get(&id).map(|claim| claim.holder) else { return };
        let waits = |id: &ClaimId| self.claims.get(id).filter(|claim| claim.holder == own);
        let wanted: u64 =
            self.waiting.keys().filter_map(waits).map(|claim| claim.need.saturating_sub(claim.held)).sum();
        let room = wanted.min(self.capacity / PARTS_FREED);
        while self.unsettled_without(id) > self.capacity.saturating_sub(self.need_max().saturating_add(room)) {
            let Some(victim) = self.largest_stopped(own, patience, now).filter(|victim| *victim != id) else { return };
            self.cut(victim, now);
            cut.push(victim);
        }
    }

    /// Of a holder's claims that have stopped, the one that holds most.
    fn largest_stopped(&self, holder: NodeId, patience: Duration, now: Duration) -> Option<ClaimId> {
        let claims = self.tree.claims(holder).filter_map(|id| Some((id, self.claims.get(&id)?)));
        let stopped = claims.filter(|(id, claim)| {
            let waits_since = self.waiting.get(id).map(|wait| wait.since);
            !claim.is_settled() && claim.held > 0 && claim.has_stopped(patience, now, waits_since)
        });
        stopped.take(COMPARED_MAX).max_by_key(|(_, claim)| claim.held).map(|(id, _)| id)
    }

    /// The slowest claim of the holder that holds most, if it is to be cut for `id`; else one that is idle.
    fn slowest_of_largest(&self, id: ClaimId, stagnates: bool, now: Duration) -> Option<ClaimId> {
        let own = self.claims.get(&id)?.holder;
        let wanted = self.waiting.get(&id)?.amount;
        let bound = (!stagnates).then_some(wanted);
        let slowest =
            self.tree.find_largest(own, bound, &mut |holder| self.slowest(holder, ClaimState::is_cuttable, now));
        slowest.or_else(|| self.tree.find_largest_idle(&mut |holder| self.idle(holder)))
    }

    /// As [`Shares::slowest_of_largest`], for [`Shares::replace`].
    fn replaceable(&self, id: ClaimId, patience: Duration, now: Duration) -> Option<ClaimId> {
        let own = self.claims.get(&id)?.holder;
        let wanted = self.waiting.get(&id)?.amount;
        let slowest = self.tree.find_largest(own, Some(wanted), &mut |holder| {
            let is_own = self.tree.have_one_outermost(holder, own);
            let has_stopped = |claim: &ClaimState| claim.is_cuttable() && claim.has_stopped(patience, now, None);
            let is_held = |claim: &ClaimState| claim.held > 0;
            if is_own { self.slowest(holder, has_stopped, now) } else { self.slowest(holder, is_held, now) }
        });
        slowest.or_else(|| self.tree.find_largest_idle(&mut |holder| self.idle(holder)))
    }

    /// The slowest claim of a holder that may be cut: idle ones first, then those that depend on their client and do not
    /// wait for the pool.
    fn slowest(&self, holder: NodeId, may: impl Fn(&ClaimState) -> bool, now: Duration) -> Option<ClaimId> {
        self.idle(holder).or_else(|| {
            let claims = self.tree.claims(holder).filter_map(|id| Some((id, self.claims.get(&id)?)));
            let candidates = claims.filter(|(_, claim)| !claim.is_cut && may(claim)).take(COMPARED_MAX);
            let slowest = candidates.min_by_key(|(id, claim)| {
                let waits_since = self.waiting.get(id).map(|wait| wait.since);
                (claim.is_settled(), waits_since.is_some(), claim.rate(now, waits_since))
            });
            slowest.map(|(id, _)| id)
        })
    }

    /// The claim of a holder that is idle for longest and can be cut.
    fn idle(&self, holder: NodeId) -> Option<ClaimId> {
        self.tree.idle(holder).find(|id| self.claims.get(id).is_some_and(ClaimState::is_cuttable))
    }

    fn unsettled_without(&self, id: ClaimId) -> u64 {
        let own = self.claims.get(&id).filter(|claim| !claim.is_settled()).map_or(0, |claim| claim.held);
        self.unsettled.saturating_sub(own)
    }

    fn need_max(&self) -> u64 {
        self.needs.last_key_value().map_or(0, |(need, _)| *need)
    }

    /// The largest need of all but one claim that needs so much.
    fn need_max_without(&self, need: u64) -> u64 {
        let others = self.needs.iter().rev().find(|(other, count)| **other != need || **count > 1);
        others.map_or(0, |(need, _)| *need)
    }

    fn count_need(&mut self, need: u64, more: bool) {
        let count = self.needs.entry(need).or_default();
        *count = if more { count.saturating_add(1) } else { count.saturating_sub(1) };
        if *count == 0 {
            self.needs.remove(&need);
        }
    }

    fn mark_waiting(&mut self, id: ClaimId, is_waiting: bool) {
        if let Some(claim) = self.claims.get(&id) {
            self.tree.set_waiting(claim.holder, id, is_waiting);
        }
    }

    fn mark_idle(&mut self, id: ClaimId, since: Option<Duration>) {
        let Some(claim) = self.claims.get_mut(&id) else { return };
        let (holder, before) = (claim.holder, std::mem::replace(&mut claim.idle_since, since));
        before.into_iter().for_each(|since| self.tree.set_idle(holder, id, since, false));
        since.into_iter().for_each(|since| self.tree.set_idle(holder, id, since, true));
    }
}
