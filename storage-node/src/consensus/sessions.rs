//! Snapshots on their way into this process: the messages of each, in order, become one stream of rows.
//!
//! Promises: a replica takes one snapshot at a time, a new one ends the old; a message that is neither
//! the next nor the last one again is refused, and the last one again is answered again, no more; a
//! snapshot that stops coming ends in an error, never in a shorter snapshot; only a few pieces wait in
//! memory, and the sender waits with them.
//! Must not know: the consensus library, how messages travel.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use couronne_base::watch;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::message::{Answer, Refusal, SnapshotBegin};
use super::peer::Peer;
use super::types::ReplicaId;
use super::{SnapshotPiece, StateMachineError};

/// Pieces of a snapshot that wait to be written.
const PIECES_AHEAD: usize = 4;

/// After this long without a message a snapshot has ended.
const IDLE_WAIT: Duration = Duration::from_secs(60);

/// Sessions that a replica remembers, so that a late repeat does not begin one again.
const REMEMBERED: usize = 16;

type Piece = Result<SnapshotPiece, StateMachineError>;

/// The way in for one snapshot's pieces.
struct PieceStream {
    /// `None` once the end was announced.
    pieces: Option<mpsc::Sender<Piece>>,
    next: u64,
}

struct Session {
    id: u64,
    /// Taken in order, and held while a piece waits for room.
    stream: tokio::sync::Mutex<PieceStream>,
    /// Room in the stream kept for the error that ends it early.
    bail: Mutex<Option<mpsc::OwnedPermit<Piece>>>,
    /// Fires with the first piece: until then the old rows stay as they are.
    start: Mutex<Option<oneshot::Sender<()>>>,
    heard: Mutex<Instant>,
    is_cut: AtomicBool,
    /// What became of it, once that is known.
    outcome: watch::Receiver<Option<Answer>>,
}

impl Session {
    /// Ends the stream with an error, unless its end was announced.
    fn cut(&self, reason: &str) {
        if let Some(bail) = self.bail.lock().take() {
            self.is_cut.store(true, Ordering::Relaxed);
            bail.send(Err(StateMachineError(reason.to_owned())));
        }
        // The task that waits for the first piece waits no longer.
        self.start.lock().take();
    }

    /// Whether it has ended, one way or the other.
    fn is_over(&self) -> bool {
        self.bail.lock().is_none()
    }
}

#[derive(Default)]
struct Replica {
    session: Option<Arc<Session>>,
    /// The sessions begun last.
    past: VecDeque<u64>,
}

/// The snapshots on their way in, by replica.
#[derive(Default)]
pub(super) struct Sessions {
    replicas: Mutex<BTreeMap<ReplicaId, Replica>>,
}

impl Sessions {
    /// Makes ready for a snapshot.
    pub(super) async fn begin(&self, to: ReplicaId, peer: Arc<dyn Peer>, begin: SnapshotBegin) -> Answer {
        if self.find(to, begin.session).is_some() {
            return Answer::GoOn;
        }
        if let Some(settled) = peer.consider(begin).await {
            return settled;
        }
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD + 1);
        let Ok(bail) = sender.clone().reserve_owned().await else { return Answer::Refused(Refusal::Failed) };
        let (start, started) = oneshot::channel();
        let (outcome_to, outcome) = watch::channel(None);
        let stream = PieceStream { pieces: Some(sender), next: 0 };
        let session = Arc::new(Session {
            id: begin.session,
            stream: tokio::sync::Mutex::new(stream),
            bail: Mutex::new(Some(bail)),
            start: Mutex::new(Some(start)),
            heard: Mutex::new(Instant::now()),
            is_cut: AtomicBool::new(false),
            outcome,
        });
        if !self.enter(to, &session) {
            return Answer::Refused(Refusal::Session);
        }
        tokio::spawn(async move {
            if started.await.is_err() {
                return;
            }
            let answer = match peer.install(begin.vote, begin.applied, pieces).await {
                Ok(vote) => Answer::Follows(vote),
                Err(error) => {
                    tracing::warn!(replica = to.0, %error, "a snapshot failed");
                    Answer::Refused(Refusal::Failed)
                }
            };
            outcome_to.send_replace(Some(answer));
        });
        tokio::spawn(end_if_idle(Arc::downgrade(&session)));
        Answer::GoOn
    }

    /// Makes a session the replica's own, ending the one before; not if it had begun before.
    fn enter(&self, to: ReplicaId, session: &Arc<Session>) -> bool {
        let mut replicas = self.replicas.lock();
        let replica = replicas.entry(to).or_default();
        if replica.past.contains(&session.id) {
            return false;
        }
        if replica.past.len() >= REMEMBERED {
            replica.past.pop_front();
        }
        replica.past.push_back(session.id);
        if let Some(old) = replica.session.replace(Arc::clone(session)) {
            old.cut("another snapshot began");
        }
        true
    }

    fn find(&self, to: ReplicaId, id: u64) -> Option<Arc<Session>> {
        let replicas = self.replicas.lock();
        let session = replicas.get(&to)?.session.as_ref()?;
        (session.id == id && !session.is_cut.load(Ordering::Relaxed)).then(|| Arc::clone(session))
    }

    /// Takes the next piece.
    pub(super) async fn piece(&self, to: ReplicaId, id: u64, sequence: u64, rows: SnapshotPiece) -> Answer {
        let refused = Answer::Refused(Refusal::Session);
        let Some(session) = self.find(to, id) else { return refused };
        let mut stream = session.stream.lock().await;
        let Some(pieces) = stream.pieces.clone() else { return refused };
        if sequence.checked_add(1) == Some(stream.next) {
            return Answer::GoOn;
        }
        if sequence != stream.next {
            return refused;
        }
        *session.heard.lock() = Instant::now();
        let start = session.start.lock().take();
        // It fails only if the process is stopping.
        start.into_iter().for_each(|start| start.send(()).unwrap_or_default());
        if pieces.send(Ok(rows)).await.is_err() {
            return Answer::Refused(Refusal::Failed);
        }
        stream.next = stream.next.saturating_add(1);
        *session.heard.lock() = Instant::now();
        Answer::GoOn
    }

    /// Closes the stream, if all of it came, and waits until the rows are in place.
    pub(super) async fn end(&self, to: ReplicaId, id: u64, pieces: u64) -> Answer {
        let refused = Answer::Refused(Refusal::Session);
        let Some(session) = self.find(to, id) else { return refused };
        {
            let mut stream = session.stream.lock().await;
            if stream.next != pieces || pieces == 0 {
                return refused;
            }
            if stream.pieces.take().is_some() {
                // From here on nothing cuts the session: its stream closes with what it has.
                let Some(bail) = session.bail.lock().take() else { return refused };
                drop(bail);
            }
        }
        let mut outcome = session.outcome.clone();
        let answer = outcome.wait_for(Option::is_some).await.ok().and_then(|()| outcome.borrow().clone());
        answer.unwrap_or(Answer::Refused(Refusal::Failed))
    }
}

/// Ends a session from which nothing comes any more.
async fn end_if_idle(session: Weak<Session>) {
    loop {
        let Some(heard) = session.upgrade().map(|session| *session.heard.lock()) else { return };
        tokio::time::sleep_until(heard + IDLE_WAIT).await;
        let Some(session) = session.upgrade() else { return };
        if session.is_over() {
            return;
        }
        if *session.heard.lock() + IDLE_WAIT <= Instant::now() {
            session.cut("the snapshot stopped coming");
            return;
        }
    }
}
