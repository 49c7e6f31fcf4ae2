//! The rows of one replica, as consensus drives them: apply, flush, read all, replace all.
//!
//! Promises: the applied position stands in the same batch as the rows it covers, so a crash leaves
//! both or neither; an entry applied before is never applied again; a snapshot half installed is
//! known as such at the next start.
//! Must not know: commands, elections.

use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{BufMut, Bytes};
use couronne_base::blocking::{blocking, is_on_one_thread};
use couronne_base::fixed::{Malformed, Reader, put_string};
use couronne_metadata::apply;
use couronne_metadata::effect::Effect;
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::store::{Batch, Store, StoreError};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinError;

use crate::consensus::types::{Entry, Payload, Position};
use crate::consensus::{Applied, SnapshotPiece, SnapshotPieces, StateMachine, StateMachineError};
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

/// A replica's rows over a store.
pub struct RangeStateMachine {
    store: Arc<dyn Store>,
    applied: Mutex<Applied>,
}

impl From<StoreError> for StateMachineError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<JoinError> for StateMachineError {
    fn from(error: JoinError) -> Self {
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
    pub fn open(store: Arc<dyn Store>) -> Result<(Self, StartState), StateMachineError> {
        let (applied, installing) = {
            let view = store.view();
            (view.get(&applied_row())?, view.get(&installing_row())?.is_some())
        };
        let applied = applied.map(decode_applied).transpose()?.unwrap_or_default();
        let state = if installing { StartState::HalfInstalled } else { StartState::Sound };
        Ok((Self { store, applied: Mutex::new(applied) }, state))
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The last position applied.
    pub fn position(&self) -> Option<Position> {
        self.applied.lock().position
    }

    /// About how many bytes a flush would make durable.
    pub fn unflushed_bytes(&self) -> u64 {
        self.store.unflushed_bytes()
    }

    fn mark_installing(&self) -> Result<(), StateMachineError> {
        let mut batch = Batch::default();
        batch.put(installing_row(), Bytes::from_static(b"1"));
        self.store.apply(&batch)?;
        Ok(self.store.flush()?)
    }

    fn load_applied(&self) -> Result<Applied, StateMachineError> {
        let row = self.store.view().get(&applied_row())?;
        Ok(row.map(decode_applied).transpose()?.unwrap_or_default())
    }
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

    fn apply(&self, entries: Vec<Entry>) -> Result<(), StateMachineError> {
        let mut applied = self.applied.lock();
        let mut next = applied.clone();
        let mut effects = Vec::new();
        for entry in entries {
            if next.position.is_some_and(|last| entry.position.index <= last.index) {
                continue;
            }
            next.position = Some(entry.position);
            match entry.payload {
                Payload::Blank => {}
                Payload::Members(members) => next.members = Some((entry.position, members)),
                Payload::Effects(payload) => decode_effects(payload, &mut effects)?,
            }
        }
        let mut batch = apply::apply(&*self.store.view(), &effects)?;
        batch.put(applied_row(), encode_applied(&next));
        self.store.apply(&batch)?;
        *applied = next;
        Ok(())
    }

    async fn flush(&self) -> Result<Applied, StateMachineError> {
        let applied = self.applied();
        let store = Arc::clone(&self.store);
        blocking(move || store.flush()).await??;
        Ok(applied)
    }

    fn read_all(self: Arc<Self>) -> SnapshotPieces {
        let (to, from) = mpsc::channel(PIECES_AHEAD);
        if is_on_one_thread() {
            // Simulations have small stores: all pieces first, then on their way.
            let mut pieces = Vec::new();
            let read = send_rows(&*self.store, |piece| {
                pieces.push(Ok(piece));
                true
            });
            pieces.extend(read.err().map(Err));
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
            if let Err(error) = send_rows(&*self.store, |piece| to.blocking_send(Ok(piece)).is_ok()) {
                // The receiver may have gone; then nobody needs to know.
                drop(to.blocking_send(Err(error)));
            }
        });
        from
    }

    async fn replace_all(&self, mut pieces: SnapshotPieces) -> Result<Applied, StateMachineError> {
        self.mark_installing()?;
        // Wiping takes the mark with it; a crash before the second mark leaves an empty store, which
        // a start finds to be behind its log.
        let store = Arc::clone(&self.store);
        blocking(move || store.wipe()).await??;
        self.mark_installing()?;
        while let Some(piece) = pieces.recv().await {
            let mut batch = Batch::default();
            piece?.into_iter().for_each(|(key, value)| batch.put(key, value));
            self.store.apply(&batch)?;
        }
        let loaded = self.load_applied()?;
        if loaded.position.is_none() {
            return Err(StateMachineError("snapshot ended early".to_owned()));
        }
        let store = Arc::clone(&self.store);
        blocking(move || {
            store.flush()?;
            let mut batch = Batch::default();
            batch.delete(installing_row());
            store.apply(&batch)?;
            store.flush()
        })
        .await??;
        *self.applied.lock() = loaded.clone();
        Ok(loaded)
    }
}

/// Hands on all rows in key order, until `take` wants no more. The row with the applied position comes
/// last of all, so that rows that were cut off are never taken for a whole snapshot.
fn send_rows(store: &dyn Store, mut take: impl FnMut(SnapshotPiece) -> bool) -> Result<(), StateMachineError> {
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
