//! Digests of pieces of a replica's rows, by which the replicas of a range are compared.
//!
//! A piece is named by a row of the range, [`StoreScrub`]: every replica that applies an entry which writes that row takes a
//! picture of its rows right behind the entry, and reads the piece from it. So all read the same state, whatever is
//! written meanwhile. What is read comes from the medium with all checksums.
//! Promises: one piece is read at a time, and a later one cuts an earlier one off; a piece is bounded in rows and bytes.
//! Must not know: what the other replicas read, who compares.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::codec::{self, Corrupt};
use couronne_metadata::effect::Effect;
use couronne_metadata::key::RowKind;
use couronne_metadata::store::{Store, StoreError, View, Write};
use couronne_metadata::store_scrub::StoreScrub;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Rot;
use crate::consensus::RowsDigest;
use crate::drives::StoreThreads;
use crate::drives::threads::LONG_CALL_TIME_MAX;

/// The most rows of a piece.
const ROWS_MAX: u64 = 4096;

/// A piece takes no further row once its rows have this many bytes.
const BYTES_MAX: u64 = 2 << 20;

/// What a replica read of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowsPiece {
    /// The entry behind which it was read.
    pub(crate) index: u64,
    /// Its first key.
    pub(crate) start: Bytes,
    /// Its digest, or why there is none.
    pub(crate) digest: RowsDigest,
    /// The first key behind it; unset: there is none.
    pub(crate) next: Option<Bytes>,
    /// About how many bytes its rows have.
    pub(crate) bytes: u64,
}

/// The piece that a replica read last, or is reading.
#[derive(Clone, Default)]
pub(super) struct Pieces(Arc<Mutex<Option<RowsPiece>>>);

impl Pieces {
    /// The piece that was begun last.
    pub(super) fn last(&self) -> Option<RowsPiece> {
        self.0.lock().clone()
    }

    /// What was read behind an entry, of which this replica has applied those up to `applied`.
    pub(super) fn digest(&self, index: u64, applied: Option<u64>) -> RowsDigest {
        match self.last() {
            Some(piece) if piece.index == index => piece.digest,
            _ if applied.is_none_or(|applied| applied < index) => RowsDigest::Pending,
            _ => RowsDigest::Unknown,
        }
    }

    /// Does `write`, by which the entry `index` is applied, and begins to read the piece from `start` on as the rows are
    /// then. Returns once it is written.
    pub(super) async fn begin(
        &self,
        (store, threads, rot): (&Arc<dyn Store>, &StoreThreads, &Rot),
        (index, start): (u64, Bytes),
        write: impl FnOnce() -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let digest = RowsDigest::Pending;
        *self.0.lock() = Some(RowsPiece { index, start: start.clone(), digest, next: None, bytes: 0 });
        let (pieces, store, threads, rot) = (self.clone(), Arc::clone(store), threads.clone(), rot.clone());
        let (answer, written) = oneshot::channel();
        let read = move || {
            let done = write();
            let goes_on = done.is_ok();
            let view = store.view_on_medium();
            // The replica may have given up waiting; the picture was taken all the same.
            drop(answer.send(done));
            if goes_on {
                let read = rot.heed(read_piece(&*view, &start, || pieces.is_at(index)));
                pieces.end(index, read);
            }
        };
        tokio::spawn(async move { threads.run_within(LONG_CALL_TIME_MAX, read).await });
        let ended = |_| StoreError::Failed("a call ended".to_owned());
        written.await.map_err(ended)?
    }

    fn is_at(&self, index: u64) -> bool {
        self.0.lock().as_ref().is_some_and(|piece| piece.index == index)
    }

    fn end(&self, index: u64, read: Result<Option<Read>, StoreError>) {
        let mut last = self.0.lock();
        let Some(piece) = last.as_mut().filter(|piece| piece.index == index) else { return };
        match read {
            Ok(Some(read)) => {
                piece.digest = RowsDigest::Of(read.digest);
                (piece.next, piece.bytes) = (read.next, read.bytes);
            }
            Err(StoreError::Rotten(_)) => piece.digest = RowsDigest::Unreadable,
            Ok(None) | Err(_) => piece.digest = RowsDigest::Unknown,
        }
    }
}

struct Read {
    digest: [u8; 32],
    next: Option<Bytes>,
    bytes: u64,
}

/// Reads a piece while `goes_on`; `None` if that cut it off. Rows of the replica itself are left out.
fn read_piece(view: &dyn View, start: &[u8], goes_on: impl Fn() -> bool) -> Result<Option<Read>, StoreError> {
    let (mut hasher, mut rows, mut bytes, mut next) = (blake3::Hasher::new(), 0, 0, None);
    let mut cursor = view.scan(Bound::Included(start), Bound::Unbounded, false);
    while let Some((key, value)) = cursor.next()? {
        if !goes_on() {
            return Ok(None);
        }
        if key.first() == Some(&(RowKind::Replica as u8)) {
            continue;
        }
        if rows == ROWS_MAX || bytes >= BYTES_MAX {
            next = Some(key);
            break;
        }
        for part in [&key, &value] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
            bytes += part.len() as u64;
        }
        rows += 1;
    }
    // Rows that follow on one replica and not on another make the pieces end differently.
    hasher.update(next.as_deref().unwrap_or_default());
    Ok(Some(Read { digest: hasher.finalize().into(), next, bytes }))
}

/// The row that names a piece, if these effects write it.
pub(super) fn scrub_of(effects: &[Effect]) -> Result<Option<StoreScrub>, Corrupt> {
    let row = StoreScrub::row();
    let writes = effects.iter().flat_map(|effect| &effect.writes);
    let mut values = writes.filter_map(|write| match write {
        Write::Put { key, value } if *key == row => Some(value),
        _ => None,
    });
    values.next_back().map(codec::decode).transpose()
}
