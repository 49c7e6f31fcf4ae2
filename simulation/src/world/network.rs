//! The network between the simulated processes: every message takes its time, may be late, lost or
//! repeated, and some ways may be cut.
//!
//! A call whose message or answer is lost ends as it does on a real connection that falls silent: after
//! a few seconds the sender is told that nothing came. What may be repeated is what says so itself, by a
//! position or a session, or changes nothing. Commands are repeated by their senders, not by the
//! network (TLS delivers once): what a range refused it does not remember.
//! Promises: what happens to a message follows from the seed alone.
//! Must not know: what messages mean.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use couronne_protocol::transport::{CallError, Message, Method, Peer, Rejection, Transport};
use couronne_ring::NodeId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::trace::{Trace, digest};
use couronne_base::testing::Rng;

/// After so long a silent peer is given up, as on a real connection.
const SILENCE_MS: u64 = 4000;

/// For so long a command may be stuck, as in the buffers of a process that is stopped: for longer than its sender waits
/// for an answer, and mostly not past its deadline.
const STUCK_MS: (u64, u64) = (5200, 13_000);

/// How the network is: applies to every message from now on.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The least time a message takes.
    pub delay_min_ms: u64,
    /// The most, as a rule.
    pub delay_max_ms: u64,
    /// How many of a thousand messages are late.
    pub late_permille: u64,
    /// How late they may be.
    pub late_max_ms: u64,
    /// How many of a thousand commands arrive only after their sender has given up this attempt.
    pub stuck_permille: u64,
    /// How many of a thousand are lost.
    pub lost_permille: u64,
    /// How many of a thousand arrive twice.
    pub repeated_permille: u64,
}

impl Weather {
    /// Nothing goes wrong.
    pub const FINE: Self = Self {
        delay_min_ms: 1,
        delay_max_ms: 2,
        late_permille: 0,
        late_max_ms: 0,
        stuck_permille: 0,
        lost_permille: 0,
        repeated_permille: 0,
    };
}

/// A call under way, by number.
type CallId = u64;

/// What arrives.
pub enum Parcel {
    /// A question, to be answered to the network if it bears a number.
    Question {
        /// Its call; `None` if it is a repeat, whose answer nobody awaits.
        call: Option<CallId>,
        /// The process that asks.
        from: Peer,
        /// The process that is asked.
        to: NodeId,
        /// What is asked.
        method: Method,
        /// The words.
        message: Message,
    },
    /// An answer.
    Answer(CallId, Result<Message, CallError>),
}

/// A call that waits for its answer.
struct Waiting {
    from: NodeId,
    to: NodeId,
    answer: oneshot::Sender<Result<Message, CallError>>,
}

struct State {
    now_ms: u64,
    next: u64,
    rng: Rng,
    trace: Trace,
    weather: Weather,
    cut: BTreeSet<(NodeId, NodeId)>,
    /// By the time they arrive, then in the order they were sent.
    under_way: BTreeMap<(u64, u64), Parcel>,
    waiting: BTreeMap<CallId, Waiting>,
    messages: u64,
}

/// The network.
pub struct Network(Mutex<State>);

impl Network {
    /// A network in fine weather.
    pub fn new(rng: Rng, trace: Trace) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            now_ms: 0,
            next: 0,
            rng,
            trace,
            weather: Weather::FINE,
            cut: BTreeSet::new(),
            under_way: BTreeMap::new(),
            waiting: BTreeMap::new(),
            messages: 0,
        })))
    }

    /// The way from one process to all others.
    pub fn transport(self: &Arc<Self>, from: Peer) -> Arc<dyn Transport> {
        Arc::new(Wire { network: Arc::clone(self), from })
    }

    /// Goes on to this time.
    pub fn run_to(&self, now_ms: u64) {
        self.0.lock().now_ms = now_ms;
    }

    /// Sets the weather.
    pub fn set_weather(&self, weather: Weather) {
        self.0.lock().weather = weather;
    }

    /// Cuts the way from one process to another, in that direction.
    pub fn cut(&self, from: NodeId, to: NodeId) {
        self.0.lock().cut.insert((from, to));
    }

    /// Mends every way.
    pub fn mend(&self) {
        self.0.lock().cut.clear();
    }

    /// How many messages were sent so far, answers included.
    pub fn messages(&self) -> u64 {
        self.0.lock().messages
    }

    /// What arrives now, one after another.
    pub fn arrival(&self) -> Option<Parcel> {
        let mut state = self.0.lock();
        let ((due_ms, _), _) = state.under_way.first_key_value()?;
        if *due_ms > state.now_ms {
            return None;
        }
        state.under_way.pop_first().map(|(_, parcel)| parcel)
    }

    /// Hands an answer to the call that awaits it.
    pub fn deliver(&self, call: CallId, answer: Result<Message, CallError>) {
        let waiting = self.0.lock().waiting.remove(&call);
        // The caller may have given up.
        drop(waiting.map(|waiting| waiting.answer.send(answer)));
    }

    /// Whether what arrives on this way now is lost.
    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.0.lock().cut.contains(&(from, to))
    }

    /// Sends an answer on its way.
    pub fn answer(&self, call: Option<CallId>, answer: Result<Message, Rejection>) {
        let mut state = self.0.lock();
        let Some((call, from, to)) = call.and_then(|call| state.waiting.get(&call).map(|w| (call, w.to, w.from)))
        else {
            return;
        };
        let said = answer.as_ref().map(fingerprint);
        let now_ms = state.now_ms;
        state.trace.note(now_ms, format_args!("answer {call} {said:?}"));
        state.messages += 1;
        let is_lost = state.cut.contains(&(from, to)) || state.is_lost();
        if is_lost {
            state.fall_silent(call);
        } else {
            let due = state.now_ms.saturating_add(state.delay());
            state.put(due, Parcel::Answer(call, answer.map_err(CallError::from)));
        }
    }

    /// Tells the sender, in time, that nothing comes any more: the way is cut.
    pub fn lose(&self, call: Option<CallId>) {
        let mut state = self.0.lock();
        call.into_iter().for_each(|call| state.fall_silent(call));
    }

    /// Refuses a call at once: nobody listens there.
    pub fn refuse(&self, call: Option<CallId>) {
        let mut state = self.0.lock();
        let due = state.now_ms.saturating_add(1);
        let refused = || Err(CallError::Unreachable("nobody listens".to_owned()));
        call.into_iter().for_each(|call| state.put(due, Parcel::Answer(call, refused())));
    }

    /// A process is gone: its own calls are forgotten, and those to it are broken off: at once if the
    /// machine is still there to say so.
    pub fn forget(&self, process: NodeId, says_so: bool) {
        let mut state = self.0.lock();
        state.waiting.retain(|_, waiting| waiting.from != process);
        let broken: Vec<CallId> =
            state.waiting.iter().filter(|(_, waiting)| waiting.to == process).map(|(call, _)| *call).collect();
        let due = state.now_ms.saturating_add(if says_so { 1 } else { SILENCE_MS });
        for call in broken {
            state.put(due, Parcel::Answer(call, Err(CallError::Lost("the connection broke".to_owned()))));
        }
    }

    fn ask(&self, from: Peer, to: NodeId, method: Method, message: Message) -> (CallId, Answer) {
        let (answer, answered) = oneshot::channel();
        let mut state = self.0.lock();
        let call = state.next;
        state.next += 1;
        let (now_ms, said) = (state.now_ms, fingerprint(&message));
        state.trace.note(now_ms, format_args!("ask {call} {} {to} {} {said:?}", from.node, method.name()));
        state.messages += 1;
        state.waiting.insert(call, Waiting { from: from.node, to, answer });
        if state.is_lost() {
            state.fall_silent(call);
            return (call, answered);
        }
        if may_be_repeated(method) && state.weather.repeated_permille > 0 {
            let permille = state.weather.repeated_permille;
            if state.rng.permille(permille) {
                let due = state.now_ms.saturating_add(state.delay());
                state.put(due, Parcel::Question { call: None, from, to, method, message: message.clone() });
            }
        }
        let stuck_permille = if method == Method::Execute { state.weather.stuck_permille } else { 0 };
        let is_stuck = stuck_permille > 0 && state.rng.permille(stuck_permille);
        let stuck_ms = if is_stuck { state.rng.between(STUCK_MS.0, STUCK_MS.1) } else { 0 };
        let due = state.now_ms.saturating_add(state.delay()).saturating_add(stuck_ms);
        state.put(due, Parcel::Question { call: Some(call), from, to, method, message });
        (call, answered)
    }
}

type Answer = oneshot::Receiver<Result<Message, CallError>>;

impl State {
    fn put(&mut self, due_ms: u64, parcel: Parcel) {
        self.under_way.insert((due_ms, self.next), parcel);
        self.next += 1;
    }

    fn delay(&mut self) -> u64 {
        let Weather { delay_min_ms, delay_max_ms, late_permille, late_max_ms, .. } = self.weather;
        let late = if self.rng.permille(late_permille) { self.rng.below(late_max_ms) } else { 0 };
        self.rng.between(delay_min_ms, delay_max_ms).saturating_add(late)
    }

    fn is_lost(&mut self) -> bool {
        let permille = self.weather.lost_permille;
        self.rng.permille(permille)
    }

    fn fall_silent(&mut self, call: CallId) {
        let due = self.now_ms.saturating_add(SILENCE_MS);
        self.put(due, Parcel::Answer(call, Err(CallError::Lost("silence".to_owned()))));
    }
}

/// Whether a message may arrive twice: a late repeat of a deletion could meet a shard that was put anew,
/// and one of a command that was refused could be taken.
const fn may_be_repeated(method: Method) -> bool {
    !matches!(method, Method::Execute | Method::DeleteShard | Method::DeleteBlob | Method::Join | Method::Renew)
}

fn fingerprint(message: &Message) -> (usize, u64) {
    (message.head.len() + message.body.len(), digest(&[&message.head, &message.body]))
}

/// The way from one process to all others.
struct Wire {
    network: Arc<Network>,
    from: Peer,
}

/// A caller that gives up awaits nothing.
struct Awaited<'a> {
    network: &'a Network,
    call: CallId,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.network.0.lock().waiting.remove(&self.call);
    }
}

#[async_trait]
impl Transport for Wire {
    async fn call(&self, to: NodeId, method: Method, message: Message) -> Result<Message, CallError> {
        let (call, answer) = self.network.ask(self.from, to, method, message);
        let _awaited = Awaited { network: &self.network, call };
        answer.await.unwrap_or_else(|_| Err(CallError::Lost("the connection broke".to_owned())))
    }
}
