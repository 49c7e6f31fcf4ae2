//! The rows of one replica, as consensus drives them: apply, flush, read all, replace all.
//!
//! Promises: the applied position stands in the same batch as the rows it covers, so a crash leaves
//! both or neither; an entry applied before is never applied again; a snapshot half installed is
//! known as such at the next start.
//! Must not know: commands, elections.

mod digest;

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::{BufMut, Bytes};
use couronne_base::blocking::is_on_one_thread;
use couronne_base::fixed::{Malformed, Reader, put_string};
use couronne_metadata::apply;
use couronne_metadata::effect::Effect;
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::store::{Batch, Store, StoreError, View};
use couronne_metadata::store_scrub::StoreScrub;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::mpsc;

pub(crate) use self::digest::RowsPiece;
use self::digest::{Pieces, scrub_of};
use crate::consensus::types::{Entry, Payload, Position};
use crate::consensus::{Applied, RowsDigest, SnapshotPiece, SnapshotPieces, StateMachine, StateMachineError};
use crate::drives::StoreThreads;
use crate::drives::threads::LONG_CALL_TIME_MAX;
use crate::log::{decode_members, encode_members, put_position, take_position};

/// Bytes of rows in one piece of a snapshot, about.
const PIECE_BYTES: usize = 256 << 10;

/// Pieces of a snapshot read ahead.
const PIECES_AHEAD: usize = 4;

const APPLIED_VERSION: u8 = 1;

/// What a start found in a replica's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartState {
    /// A prefix of what was applied.
    Sound,
    /// A snapshot was being installed: the rows are worthless.
    HalfInstalled,
}

/// Why rows cannot be opened.
#[derive(Debug, Error)]
pub enum OpenRowsError {
    /// The store does not give them.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The row of the applied position does not decode.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A replica's rows over a store.
pub struct RangeStateMachine {
    store: Arc<dyn Store>,
    /// Where calls to the store wait.
    threads: StoreThreads,
    /// Held for moments only, never while the medium is waited for.
    applied: Mutex<Applied>,
    /// How far the comparison of the range's replicas is, as the rows say.
    scrub: Mutex<StoreScrub>,
    /// The piece of it that was read last.
    pieces: Pieces,
    rot: Rot,
}

/// Whether some of a replica's rows were found to be rotten. Clones are the same.
#[derive(Clone, Default)]
struct Rot(Arc<AtomicBool>);

impl Rot {
    /// Notes if that failed by rot.
    fn heed<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Rotten(what)) = &done {
            self.note(what);
        }
        done
    }

    fn note(&self, what: &str) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::error!(what, "rows of a replica are rotten");
        }
    }
}

impl From<StoreError> for StateMachineError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<Malformed> for StateMachineError {
    fn from(error: Malformed) -> Self {
        Self(error.to_string())
    }
}

impl RangeStateMachine {
    /// Opens the rows of a store and says whether they can be used.
    pub async fn open(store: Arc<dyn Store>, threads: StoreThreads) -> Result<(Self, StartState), OpenRowsError> {
        let read = |view: &dyn View| {
            let is_installing = view.get(&installing_row())?.is_some();
            Ok((view.get(&applied_row())?, StoreScrub::load(view)?, is_installing))
        };
        let (applied, scrub, is_installing) = threads.read(&store, read).await?;
        let applied = Mutex::new(applied.map(decode_applied).transpose()?.unwrap_or_default());
        let state = if is_installing { StartState::HalfInstalled } else { StartState::Sound };
        let (scrub, pieces, rot) = (Mutex::new(scrub), Pieces::default(), Rot::default());
        Ok((Self { store, threads, applied, scrub, pieces, rot }, state))
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Reads rows as they are applied; `read` may be called twice.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&dyn View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.rot.heed(self.threads.read(&self.store, read).await)
    }

    /// The same for many rows, which takes long.
    pub(crate) async fn read_many<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(&self.store);
        let read = self.threads.run_within(LONG_CALL_TIME_MAX, move || read(&*store.view())).await;
        self.rot.heed(read.and_then(|read| read))
    }

    /// Whether some of the rows were found to be rotten.
    pub(crate) fn is_rotten(&self) -> bool {
        self.rot.0.load(Ordering::Relaxed)
    }

    /// Notes that some of the rows are not what they ought to be.
    pub(crate) fn note_rot(&self, what: &str) {
        self.rot.note(what);
    }

    /// How far the comparison of the range's replicas is.
    pub(crate) fn scrub(&self) -> StoreScrub {
        self.scrub.lock().clone()
    }

    /// The piece of it that this replica read last, or is reading.
    pub(crate) fn piece(&self) -> Option<RowsPiece> {
        self.pieces.last()
    }

    /// The last position applied.
    pub fn position(&self) -> Option<Position> {
        self.applied.lock().position
    }

    /// About how many bytes a flush would make durable.
    pub fn unflushed_bytes(&self) -> u64 {
        self.store.unflushed_bytes()
    }

    /// Does what takes long to the store, from its beginning again whenever it finds no space.
    async fn change(
        &self,
        change: impl Fn(&dyn Store) -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Result<(), StateMachineError> {
        let change = Arc::new(change);
        let attempt = || {
            let (store, change) = (Arc::clone(&self.store), Arc::clone(&change));
            async move {
                let changed = self.threads.run_within(LONG_CALL_TIME_MAX, move || change(&*store)).await;
                changed.and_then(|changed| changed)
            }
        };
        Ok(self.rot.heed(self.threads.when_there_is_room(attempt).await)?)
    }

    async fn load(&self) -> Result<(Applied, StoreScrub), StateMachineError> {
        let read = |view: &dyn View| Ok((view.get(&applied_row())?, StoreScrub::load(view)?));
        let (row, scrub) = self.read(read).await?;
        Ok((row.map(decode_applied).transpose()?.unwrap_or_default(), scrub))
    }

    /// Writes the rows of some entries, up to and with `upto`. If the last of them names a piece to be compared, begins
    /// to read that.
    async fn write(
        &self,
        effects: Vec<Effect>,
        upto: &Applied,
        scrub: Option<StoreScrub>,
    ) -> Result<(), StateMachineError> {
        let (store, row) = (Arc::clone(&self.store), encode_applied(upto));
        let write = Arc::new(move || {
            let mut batch = apply::apply(&*store.view(), &effects)?;
            batch.put(applied_row(), row.clone());
            store.apply(&batch)
        });
        let wanted =
            scrub.as_ref().and_then(|scrub| Some((upto.position?.index, scrub.under_way.as_ref()?.piece.clone())));
        let attempt = || {
            let (write, wanted) = (Arc::clone(&write), wanted.clone());
            async move {
                match wanted {
                    Some(piece) => {
                        self.pieces.begin((&self.store, &self.threads, &self.rot), piece, move || write()).await
                    }
                    None => self.threads.run(move || write()).await.and_then(|written| written),
                }
            }
        };
        self.rot.heed(self.threads.when_there_is_room(attempt).await)?;
        *self.applied.lock() = upto.clone();
        if let Some(scrub) = scrub {
            *self.scrub.lock() = scrub;
        }
        Ok(())
    }
}

/// Marks that a snapshot is being installed, durably.
fn mark_installing(store: &dyn Store) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    batch.put(installing_row(), Bytes::from_static(b"1"));
    store.apply(&batch)?;
    store.flush()
}

/// The payload of an entry: the effects of the commands that were proposed together. In a fixed layout, a length and
/// bytes for each: effects are the bulk of a log, and each is encoded by the field codec itself.
pub(crate) fn encode_effects<'a>(effects: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let mut payload = Vec::with_capacity(effects.clone().map(|effect| effect.len() + 4).sum());
    effects.for_each(|effect| put_string(&mut payload, effect));
    payload.into()
}

fn decode_effects(mut payload: Bytes, into: &mut Vec<Effect>) -> Result<(), StateMachineError> {
    let mut reader = Reader::new(&mut payload, "effects");
    while !reader.is_empty() {
        let effect = reader.string()?;
        into.push(Effect::decode(&effect).map_err(|error| StateMachineError(format!("effect: {error}")))?);
    }
    Ok(())
}

/// The row in which a replica keeps up to which entry it has applied.
pub fn applied_row() -> Bytes {
    key::of_range(RowKind::Replica, b"applied")
}

fn installing_row() -> Bytes {
    key::of_range(RowKind::Replica, b"installing")
}

/// In a fixed layout: the row is written again with every batch that is applied.
fn encode_applied(applied: &Applied) -> Bytes {
    let mut row = vec![APPLIED_VERSION, u8::from(applied.position.is_some())];
    applied.position.iter().for_each(|position| put_position(&mut row, *position));
    row.put_u8(u8::from(applied.members.is_some()));
    if let Some((position, members)) = &applied.members {
        put_position(&mut row, *position);
        encode_members(&mut row, members);
    }
    row.into()
}

fn decode_applied(mut row: Bytes) -> Result<Applied, Malformed> {
    let mut reader = Reader::new(&mut row, "applied row");
    if reader.u8()? != APPLIED_VERSION {
        return Err(reader.malformed());
    }
    let position = if reader.flag()? { Some(take_position(&mut reader)?) } else { None };
    let members = if reader.flag()? {
        let position = take_position(&mut reader)?;
        Some((position, decode_members(&mut reader)?))
    } else {
        None
    };
    Ok(Applied { position, members })
}

#[async_trait]
impl StateMachine for RangeStateMachine {
    fn applied(&self) -> Applied {
        self.applied.lock().clone()
    }

    async fn apply(&self, entries: Vec<Entry>) -> Result<(), StateMachineError> {
        let mut next = self.applied();
        let mut effects = Vec::new();
        for entry in entries {
            if next.position.is_some_and(|last| entry.position.index <= last.index) {
                continue;
            }
            next.position = Some(entry.position);
            match entry.payload {
                Payload::Blank => {}
                Payload::Members(members) => next.members = Some((entry.position, members)),
                Payload::Effects(payload) => {
                    let before = effects.len();
                    decode_effects(payload, &mut effects)?;
                    let scrub = scrub_of(effects.get(before..).unwrap_or_default()).map_err(StoreError::from)?;
                    // What is compared is the state right behind this entry.
                    if scrub.is_some() {
                        self.write(std::mem::take(&mut effects), &next, scrub).await?;
                    }
                }
            }
        }
        if self.position() != next.position {
            self.write(effects, &next, None).await?;
        }
        Ok(())
    }

    fn digest(&self, index: u64) -> RowsDigest {
        self.pieces.digest(index, self.position().map(|position| position.index))
    }

    async fn flush(&self) -> Result<Applied, StateMachineError> {
        let applied = self.applied();
        self.change(|store| store.flush()).await?;
        Ok(applied)
    }

    fn read_all(self: Arc<Self>) -> SnapshotPieces {
        let (to, from) = mpsc::channel(PIECES_AHEAD);
        if is_on_one_thread() {
            // Simulations have small stores: all pieces first, then on their way.
            let mut pieces = Vec::new();
            let read = self.rot.heed(send_rows(&*self.store, |piece| {
                pieces.push(Ok(piece));
                true
            }));
            pieces.extend(read.err().map(|error| Err(error.into())));
            tokio::spawn(async move {
                for piece in pieces {
                    if to.send(piece).await.is_err() {
                        return;
                    }
                }
            });
            return from;
        }
        tokio::task::spawn_blocking(move || {
            let sent = send_rows(&*self.store, |piece| to.blocking_send(Ok(piece)).is_ok());
            if let Err(error) = self.rot.heed(sent) {
                // The receiver may have gone; then nobody needs to know.
                drop(to.blocking_send(Err(error.into())));
            }
        });
        from
    }

    async fn replace_all(&self, mut pieces: SnapshotPieces) -> Result<Applied, StateMachineError> {
        // Wiping takes the mark with it; a crash before the second mark leaves an empty store, which
        // a start finds to be behind its log.
        let begin = |store: &dyn Store| {
            mark_installing(store)?;
            store.wipe()?;
            mark_installing(store)
        };
        self.change(begin).await?;
        while let Some(piece) = pieces.recv().await {
            let mut batch = Batch::default();
            piece?.into_iter().for_each(|(key, value)| batch.put(key, value));
            self.change(move |store| store.apply(&batch)).await?;
        }
        let (loaded, scrub) = self.load().await?;
        if loaded.position.is_none() {
            return Err(StateMachineError("snapshot ended early".to_owned()));
        }
        let end = |store: &dyn Store| {
            store.flush()?;
            let mut batch = Batch::default();
            batch.delete(installing_row());
            store.apply(&batch)?;
            store.flush()
        };
        self.change(end).await?;
        *self.applied.lock() = loaded.clone();
        *self.scrub.lock() = scrub;
        Ok(loaded)
    }
}

/// Hands on all rows in key order, until `take` wants no more. The row with the applied position comes
/// last of all, so that rows that were cut off are never taken for a whole snapshot.
fn send_rows(store: &dyn Store, mut take: impl FnMut(SnapshotPiece) -> bool) -> Result<(), StoreError> {
    let view = store.view();
    let mut cursor = view.scan(Bound::Unbounded, Bound::Unbounded, false);
    let (mut piece, mut bytes) = (SnapshotPiece::new(), 0usize);
    while let Some((key, value)) = cursor.next()? {
        if key == applied_row() || key == installing_row() {
            continue;
        }
        bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
        piece.push((key, value));
        if bytes >= PIECE_BYTES {
            bytes = 0;
            if !take(std::mem::take(&mut piece)) {
                return Ok(());
            }
        }
    }
    if let Some(applied) = view.get(&applied_row())? {
        piece.push((applied_row(), applied));
    }
    // The taker may have given up; its own error says why.
    take(piece);
    Ok(())
}
