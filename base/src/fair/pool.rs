//! A pool that tasks wait at.
//!
//! Must not know: the order in which shares are given ([`super::shares`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::shares::{STIR_BYTES, Shares};
use super::tree::ClaimId;
use super::{Cut, Holder, LEVELS};

/// How long is waited at a pool.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// After so long somebody is cut for a claim that waits.
    pub cut_after: Duration,
    /// Whether a claim may be cut for one of its own holder.
    pub cuts_own: bool,
    /// After so long a claim waits no more.
    pub give_up_after: Duration,
}

/// What of a pool cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Short {
    /// Its request was the slowest of the holder that holds most, and was cut.
    #[error("cut, for its holder holds most and it is the slowest")]
    Cut,
    /// It waited in vain.
    #[error("waited in vain for a share")]
    Waited,
}

/// Something that is shared. Clones are the same pool.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    patience: Patience,
    began: Instant,
}

struct State {
    shares: Shares,
    signals: HashMap<ClaimId, Arc<Signal>>,
    /// When it was last looked which claims to cut.
    looked_at: Duration,
}

/// What a claim is told.
struct Signal {
    granted: Notify,
    cut: Cut,
}

/// A claim at a pool: what it took is given back when it is dropped.
pub struct Claim {
    pool: Pool,
    id: ClaimId,
    signal: Arc<Signal>,
    /// Bytes moved that the pool was not told of.
    untold: AtomicU64,
    /// Bytes that came and were not taken yet, below a step.
    owed: u64,
}

/// The pool is told of bytes moved once they are so many: below what tells a claim that gets on from one that has stopped.
const TOLD_BYTES: u64 = STIR_BYTES;

impl Pool {
    /// A pool of so much.
    pub fn new(capacity: u64, patience: Patience) -> Self {
        let state = State { shares: Shares::new(capacity.max(1)), signals: HashMap::new(), looked_at: Duration::ZERO };
        Self(Arc::new(Inner { state: Mutex::new(state), patience, began: Instant::now() }))
    }

    /// A claim that holds nothing yet, of a request that hears `cut`. It will take `need` at most.
    pub fn claim(&self, holder: &Holder, need: u64, cut: &Cut) -> Claim {
        let signal = Arc::new(Signal { granted: Notify::new(), cut: cut.clone() });
        let mut state = self.0.state.lock();
        let id = state.shares.join(holder, need, self.now());
        state.signals.insert(id, Arc::clone(&signal));
        Claim { pool: self.clone(), id, signal, untold: AtomicU64::new(0), owed: 0 }
    }

    /// A claim that holds so much, if that is there at once and nobody waits for it.
    pub fn claim_now(&self, holder: &Holder, amount: u64, cut: &Cut) -> Option<Claim> {
        let claim = self.claim(holder, amount, cut);
        let granted = self.0.state.lock().shares.take(claim.id, amount, self.now());
        granted.then_some(claim)
    }

    /// As [`Pool::claim_now`], for what is a help but not needed: the outermost of the holder's names is given no more
    /// than it leaves to others.
    pub fn claim_spare(&self, holder: &Holder, amount: u64, cut: &Cut) -> Option<Claim> {
        let claim = self.claim(holder, amount, cut);
        let mut state = self.0.state.lock();
        let [held, ..] = state.shares.held_by(holder);
        let leaves_as_much = held.saturating_add(amount) <= state.shares.free().saturating_sub(amount);
        let granted = leaves_as_much && state.shares.take(claim.id, amount, self.now());
        drop(state);
        granted.then_some(claim)
    }

    /// Whether less than half is left.
    pub fn is_tight(&self) -> bool {
        let state = self.0.state.lock();
        state.shares.free() < state.shares.capacity() / 2
    }

    /// What is left.
    pub fn free(&self) -> u64 {
        self.0.state.lock().shares.free()
    }

    /// What a holder holds at each level, the outermost first.
    pub fn held_by(&self, holder: &Holder) -> [u64; LEVELS] {
        self.0.state.lock().shares.held_by(holder)
    }

    fn now(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// Changes the shares; the claims that waited for that go on.
    fn change<T>(&self, change: impl FnOnce(&mut Shares) -> T) -> T {
        let mut state = self.0.state.lock();
        let State { shares, signals, .. } = &mut *state;
        let changed = change(shares);
        for granted in shares.grants(self.now()) {
            signals.get(&granted).into_iter().for_each(|signal| signal.granted.notify_one());
        }
        changed
    }

    /// Cuts the claims that are to be cut for those that wait.
    fn cut_slowest(&self) {
        let Patience { cut_after, cuts_own, .. } = self.0.patience;
        let mut state = self.0.state.lock();
        let State { shares, signals, looked_at } = &mut *state;
        let now = self.now();
        // However many wait: it is looked for all of them at once.
        if now.saturating_sub(*looked_at) < cut_after / 4 {
            return;
        }
        *looked_at = now;
        for cut in shares.cuts(cut_after, cuts_own, now) {
            signals.get(&cut).into_iter().for_each(|signal| signal.cut.cut());
        }
        for granted in shares.grants(self.now()) {
            signals.get(&granted).into_iter().for_each(|signal| signal.granted.notify_one());
        }
    }
}

impl Claim {
    /// Takes so much more, perhaps after a wait.
    pub async fn take(&mut self, amount: u64) -> Result<(), Short> {
        self.take_within(amount, self.pool.0.patience.give_up_after).await
    }

    /// As [`Claim::take`], with another bound of the wait.
    pub async fn take_within(&mut self, amount: u64, give_up_after: Duration) -> Result<(), Short> {
        if self.signal.cut.is_cut() {
            return Err(Short::Cut);
        }
        let now = self.pool.now();
        if self.pool.change(|shares| shares.take(self.id, amount, now)) {
            return Ok(());
        }
        let waiting = Waiting(self);
        let cut_after = waiting.0.pool.0.patience.cut_after;
        let give_up_at = Instant::now() + give_up_after;
        loop {
            if !waiting.0.pool.0.state.lock().shares.is_waiting(waiting.0.id) {
                // It was granted, or cut.
                return if waiting.0.signal.cut.is_cut() { Err(Short::Cut) } else { Ok(()) };
            }
            if Instant::now() >= give_up_at {
                return Err(Short::Waited);
            }
            let next_look = give_up_at.min(Instant::now() + cut_after.max(Duration::from_millis(1)));
            let told = async {
                tokio::select! {
                    biased;
                    () = waiting.0.signal.cut.wait() => {}
                    () = waiting.0.signal.granted.notified() => {}
                }
            };
            if timeout_at(next_look, told).await.is_err() {
                waiting.0.pool.cut_slowest();
            } else if waiting.0.signal.cut.is_cut() {
                return Err(Short::Cut);
            }
        }
    }

    /// As [`Claim::take_within`] for bytes that came, in steps: what is less than a step is owed. So a client that drips
    /// does not wait for the pool; it is waited for, and known to have stopped.
    pub async fn take_in_steps(&mut self, bytes: u64, give_up_after: Duration) -> Result<(), Short> {
        self.owed = self.owed.saturating_add(bytes);
        if self.owed < STIR_BYTES {
            return if self.signal.cut.is_cut() { Err(Short::Cut) } else { Ok(()) };
        }
        let owed = std::mem::take(&mut self.owed);
        self.take_within(owed, give_up_after).await
    }

    /// How long the pool is waited at.
    pub fn patience(&self) -> Patience {
        self.pool.0.patience
    }

    /// Takes so much more if that can be had at once, be it that somebody has to be cut for it.
    pub fn take_now(&mut self, amount: u64) -> Result<(), Short> {
        let now = self.pool.now();
        if self.pool.change(|shares| shares.take(self.id, amount, now)) {
            return Ok(());
        }
        let waiting = Waiting(self);
        let mut state = waiting.0.pool.0.state.lock();
        let State { shares, signals, .. } = &mut *state;
        let Patience { cut_after, cuts_own, .. } = waiting.0.pool.0.patience;
        let replaced = shares.replace(waiting.0.id, cut_after, cuts_own, now).ok_or(Short::Waited);
        for cut in replaced? {
            signals.get(&cut).into_iter().for_each(|signal| signal.cut.cut());
        }
        drop(state);
        Ok(())
    }

    /// What it holds comes back by our own doing from now on: it is not cut.
    pub fn settle(&self) {
        let now = self.pool.now();
        self.pool.change(|shares| shares.settle(self.id, true, now));
    }

    /// What it holds depends on its client again.
    pub fn depend(&self) {
        let now = self.pool.now();
        self.pool.change(|shares| shares.settle(self.id, false, now));
    }

    /// Gives back a part of what it holds, for good.
    pub fn give_back(&self, amount: u64) {
        self.pool.change(|shares| shares.give_back(self.id, amount));
    }

    /// Its client moved so many bytes.
    pub fn moved(&self, bytes: u64) {
        if self.untold.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) >= TOLD_BYTES {
            let bytes = self.untold.swap(0, Ordering::Relaxed);
            let now = self.pool.now();
            self.pool.0.state.lock().shares.moved(self.id, bytes, now);
        }
    }

    /// Its client begins or ends asking for something.
    pub fn set_idle(&self, is_idle: bool) {
        let now = self.pool.now();
        self.pool.0.state.lock().shares.set_idle(self.id, is_idle, now);
    }

    /// From now on it is another holder's.
    pub fn move_to(&self, holder: &Holder) {
        self.pool.0.state.lock().shares.move_to(self.id, holder);
    }

    /// The word that its request is cut.
    pub fn cut(&self) -> &Cut {
        &self.signal.cut
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.pool.change(|shares| shares.leave(self.id));
        self.pool.0.state.lock().signals.remove(&self.id);
    }
}

/// A claim that waits; dropped, it does not any more.
struct Waiting<'a>(&'a Claim);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.pool.change(|shares| shares.stop_waiting(self.0.id));
    }
}
