//! Our state machine in the library's form; also its "snapshot", whose rows are read only when wanted.
//!
//! Rows that a peer sends replace those of a replica before the library hears of it: it
//! takes a snapshot that fails for the end of the replica, and a cut line must not be one. In
//! between a snapshot is pending: nothing is applied to the rows, nothing is told of them, and the replica
//! takes no entries, for it could not vouch for them. That loses
//! nothing that the replica vouched for: it was sent a snapshot because its log ends before what the
//! leader has purged, so a quorum without it holds all that it ever acknowledged.
//! Promises: while a snapshot is pending nothing is applied, and no snapshot is given.
//! Must not know: rows, messages.

use std::io;
use std::sync::Arc;

use couronne_base::mutant;
use futures_util::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::type_config::alias::{LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::convert::{from_entry, log_id, position, to_meta, to_stored};
use super::{Done, Types};
use crate::consensus::types::Entry;
use crate::consensus::{Applied, SnapshotPieces, StateMachine, StateMachineError};

/// What the rows are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// The rows are as the library knows them.
    Sound,
    /// Being replaced, or replaced in part.
    SnapshotPending,
    /// Replaced as a whole, up to this index; the library does not know yet, and may never.
    Ahead(u64),
    /// Given up while a snapshot was pending.
    Lost,
}

impl Rows {
    /// Whether they are some state that a quorum agreed on.
    pub(super) const fn are_whole(self) -> bool {
        matches!(self, Self::Sound | Self::Ahead(_))
    }
}

/// A replica's machine.
#[derive(Clone)]
pub(super) struct StateMachineAdapter {
    machine: Arc<dyn StateMachine>,
    flushed: Arc<Mutex<Applied>>,
    /// Held for moments only: what waits for the medium holds `turn`.
    rows: Arc<Mutex<Rows>>,
    /// Held while rows are applied, so that none are while a snapshot is pending.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Notified when no snapshot is pending any more. Only the library's one worker waits.
    filled: Arc<Notify>,
}

/// A snapshot as the library carries it: whose rows are read once a peer wants them.
#[derive(Clone)]
pub(super) struct SnapshotSource(pub(super) Arc<dyn StateMachine>);

impl StateMachineAdapter {
    /// The adapter of a machine that was just opened. One that was opened before in this process may hold rows that were
    /// never flushed: they are now, or the log would be purged past what the store keeps.
    pub(super) async fn new(machine: Arc<dyn StateMachine>) -> Result<Self, StateMachineError> {
        let flushed = Arc::new(Mutex::new(machine.flush().await?));
        let (rows, turn) = (Arc::new(Mutex::new(Rows::Sound)), Arc::default());
        Ok(Self { machine, flushed, rows, turn, filled: Arc::default() })
    }

    pub(super) fn rows(&self) -> Rows {
        *self.rows.lock()
    }

    /// The rows below.
    pub(super) const fn machine(&self) -> &Arc<dyn StateMachine> {
        &self.machine
    }

    /// The rows below, for a peer that lacks them.
    pub(super) fn source(&self) -> SnapshotSource {
        SnapshotSource(Arc::clone(&self.machine))
    }

    /// Replaces the rows with those that come. Until it succeeds a snapshot is pending.
    pub(super) async fn replace(&self, pieces: SnapshotPieces) -> Result<Applied, StateMachineError> {
        {
            // An apply has the turn, so none is half way now.
            let _turn = self.turn.lock().await;
            let mut rows = self.rows.lock();
            if *rows == Rows::Lost {
                return Err(StateMachineError("the replica has ended".to_owned()));
            }
            *rows = Rows::SnapshotPending;
        }
        let applied = self.machine.replace_all(pieces).await?;
        let upto = applied.position.map_or(0, |position| position.index);
        *self.rows.lock() = Rows::Ahead(upto);
        self.filled.notify_one();
        Ok(applied)
    }

    /// Gives up rows for which a snapshot is pending: what waits for them fails. Says whether one was.
    pub(super) fn give_up(&self) -> bool {
        let mut rows = self.rows.lock();
        let is_pending = *rows == Rows::SnapshotPending;
        if is_pending {
            *rows = Rows::Lost;
            self.filled.notify_one();
        }
        is_pending
    }

    fn snapshot(&self, applied: &Applied) -> Result<SnapshotOf<Types, SnapshotSource>, io::Error> {
        Ok(SnapshotOf::<Types, SnapshotSource> { meta: to_meta(applied)?, snapshot: self.source() })
    }

    /// Applies the entries unless a snapshot is pending.
    async fn try_apply(&self, entries: &mut Vec<Entry>) -> Result<bool, StateMachineError> {
        let _turn = self.turn.lock().await;
        match self.rows() {
            Rows::SnapshotPending => return Ok(false),
            Rows::Lost => return Err(StateMachineError("the rows were lost half way through a snapshot".to_owned())),
            Rows::Sound | Rows::Ahead(_) => {}
        }
        let last = entries.last().map(|entry| entry.position.index);
        self.machine.apply(std::mem::take(entries)).await?;
        let mut rows = self.rows.lock();
        if let Rows::Ahead(upto) = *rows
            && last.is_some_and(|last| last >= upto)
        {
            *rows = Rows::Sound;
        }
        Ok(true)
    }

    fn take_received(&self, meta: &SnapshotMetaOf<Types>) -> Result<(), io::Error> {
        let applied = self.machine.applied();
        let mut rows = self.rows.lock();
        if !rows.are_whole() || applied.position < meta.last_log_id.as_ref().map(position) {
            return Err(io::Error::other("the rows of a snapshot are not in place"));
        }
        *rows = Rows::Sound;
        *self.flushed.lock() = applied;
        Ok(())
    }
}

impl RaftSnapshotBuilder<Types> for StateMachineAdapter {
    type SnapshotData = SnapshotSource;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, SnapshotSource>, io::Error> {
        let unflushed = mutant!(PurgeUnflushed).then(|| self.machine.applied());
        let applied = if let Some(applied) = unflushed { applied } else { self.machine.flush().await? };
        *self.flushed.lock() = applied.clone();
        self.snapshot(&applied)
    }
}

impl RaftStateMachine<Types> for StateMachineAdapter {
    type SnapshotData = SnapshotSource;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogIdOf<Types>>, StoredMembershipOf<Types>), io::Error> {
        let applied = self.machine.applied();
        Ok((applied.position.map(log_id), to_stored(applied.members.as_ref())?))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        let (mut applied, mut waiting) = (Vec::new(), Vec::new());
        while let Some((entry, responder)) = entries.try_next().await? {
            applied.push(from_entry(entry));
            waiting.extend(responder);
        }
        while !self.try_apply(&mut applied).await? {
            self.filled.notified().await;
        }
        waiting.into_iter().for_each(|responder| responder.send(Done));
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Self> {
        // The library must not hear of rows that it does not know.
        (force || self.rows() == Rows::Sound).then(|| self.clone())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    /// The rows are in place already.
    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<Types>, _: SnapshotSource) -> Result<(), io::Error> {
        self.take_received(meta)
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, SnapshotSource>>, io::Error> {
        let flushed = self.flushed.lock().clone();
        if flushed.position.is_none() || !self.rows().are_whole() {
            return Ok(None);
        }
        self.snapshot(&flushed).map(Some)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use tokio::sync::mpsc;

    use super::*;
    use crate::consensus::RowsDigest;
    use crate::consensus::types::Position;

    /// A machine that was opened before: it has applied an entry, and flushed nothing.
    #[derive(Default)]
    struct OpenedAgain {
        is_flushed: AtomicBool,
    }

    #[async_trait]
    impl StateMachine for OpenedAgain {
        fn applied(&self) -> Applied {
            Applied { position: Some(Position { term: 1, index: 0 }), members: None }
        }

        async fn apply(&self, _: Vec<Entry>) -> Result<(), StateMachineError> {
            Ok(())
        }

        async fn flush(&self) -> Result<Applied, StateMachineError> {
            self.is_flushed.store(true, Ordering::Relaxed);
            Ok(self.applied())
        }

        fn digest(&self, _: u64) -> RowsDigest {
            RowsDigest::Unknown
        }

        fn read_all(self: Arc<Self>) -> SnapshotPieces {
            mpsc::channel(1).1
        }

        async fn replace_all(&self, _: SnapshotPieces) -> Result<Applied, StateMachineError> {
            Ok(self.applied())
        }
    }

    #[tokio::test]
    async fn a_machine_that_is_opened_again_is_flushed_before_that_is_said() {
        let machine = Arc::new(OpenedAgain::default());
        let adapter = StateMachineAdapter::new(machine.clone()).await.unwrap();
        assert_eq!(adapter.flushed.lock().position, machine.applied().position);
        assert!(machine.is_flushed.load(Ordering::Relaxed));
    }
}
