//! The store in memory: the fake of RocksDB in tests and simulation.
//!
//! It forgets as RocksDB without its log does: a crash leaves the effect of some prefix of the
//! batches, at least up to the last flush. Views cost nothing to take; the first batch after one was
//! taken copies the map if the view still lives, so it is for small stores or few views.
//! Rows rot as its blocks do: until they are written again the medium gives them no more, and says so.

use std::collections::btree_map::Range;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::store::{Batch, Cursor, Row, Store, StoreError, View, Write};

type MemoryRows = BTreeMap<Bytes, Bytes>;

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<MemoryState>,
}

#[derive(Clone, Default)]
struct MemoryState {
    present: Image,
    flushed: Image,
    unflushed: Vec<Batch>,
    unflushed_bytes: u64,
    /// Whether memory still has the rows that rotted on the medium.
    is_cached: bool,
}

/// Rows, and which of them the medium gives no more.
#[derive(Clone, Default)]
struct Image {
    rows: Arc<MemoryRows>,
    rotten: Arc<BTreeSet<Bytes>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses what a crash may lose: of the batches since the last flush a prefix remains, chosen by `seed`.
    pub fn crash(&self, seed: u64) {
        let mut state = self.state.lock();
        let survivors = seed.checked_rem(state.unflushed.len() as u64 + 1).unwrap_or(0);
        let mut present = state.flushed.clone();
        for (_, batch) in (0..survivors).zip(&state.unflushed) {
            present.write(batch);
        }
        state.present = present;
        state.is_cached = false;
        state.settle();
    }

    /// Has up to `count` neighbouring rows of those that are flushed rot; `seed` chooses the first. With `is_cached`,
    /// only what reads the medium meets them, until a crash. How many did.
    pub fn rot(&self, seed: u64, count: usize, is_cached: bool) -> usize {
        let mut state = self.state.lock();
        let rows = Arc::clone(&state.flushed.rows);
        let first = seed.checked_rem(rows.len() as u64).and_then(|first| usize::try_from(first).ok()).unwrap_or(0);
        let mut rotted = 0;
        for (key, value) in rows.iter().skip(first).take(count) {
            Arc::make_mut(&mut state.flushed.rotten).insert(key.clone());
            // What was written since is still in memory.
            if state.present.rows.get(key) == Some(value) {
                Arc::make_mut(&mut state.present.rotten).insert(key.clone());
            }
            rotted += 1;
        }
        state.is_cached = is_cached;
        rotted
    }

    /// Another store that holds what a snapshot of this one taken now would: what a crash leaves.
    pub fn backup(&self, seed: u64) -> Self {
        let copy = Self { state: Mutex::new(self.state.lock().clone()) };
        copy.crash(seed);
        copy
    }

    /// How many rows are rotten.
    pub fn rotten_rows(&self) -> usize {
        self.state.lock().present.rotten.len()
    }

    /// How many batches a crash could lose.
    pub fn unflushed_batches(&self) -> usize {
        self.state.lock().unflushed.len()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.state.lock().present.rows.len()
    }
}

impl MemoryState {
    /// Makes the present rows durable.
    fn settle(&mut self) {
        self.flushed = self.present.clone();
        self.unflushed.clear();
        self.unflushed_bytes = 0;
    }

    /// The rows as they are, of which the rotten ones read as this error if memory does not have them.
    fn view(&self, rot: fn() -> StoreError) -> Box<dyn View> {
        Box::new(MemoryView { image: self.present.clone(), rot: (!self.is_cached).then_some(rot) })
    }
}

impl Store for MemoryStore {
    fn view(&self) -> Box<dyn View + '_> {
        self.state.lock().view(rotten)
    }

    fn view_in_memory(&self) -> Box<dyn View + '_> {
        self.state.lock().view(|| StoreError::NotInMemory)
    }

    fn view_on_medium(&self) -> Box<dyn View + '_> {
        let state = self.state.lock();
        Box::new(MemoryView { image: state.present.clone(), rot: Some(rotten) })
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        state.present.write(batch);
        state.unflushed_bytes += batch.bytes();
        state.unflushed.push(batch.clone());
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.state.lock().settle();
        Ok(())
    }

    fn wipe(&self) -> Result<(), StoreError> {
        *self.state.lock() = MemoryState::default();
        Ok(())
    }

    fn unflushed_bytes(&self) -> u64 {
        self.state.lock().unflushed_bytes
    }
}

impl Image {
    fn write(&mut self, batch: &Batch) {
        let rows = Arc::make_mut(&mut self.rows);
        for write in &batch.writes {
            match write {
                Write::Put { key, value } => {
                    rows.insert(key.clone(), value.clone());
                }
                Write::Delete { key } => {
                    rows.remove(key);
                }
                Write::DeleteRange { start, end } if start < end => {
                    let dropped: Vec<Bytes> =
                        rows.range(start.clone()..end.clone()).map(|(key, _)| key.clone()).collect();
                    for key in dropped {
                        rows.remove(&key);
                    }
                }
                Write::DeleteRange { .. } => {}
            }
        }
        if !self.rotten.is_empty() {
            Arc::make_mut(&mut self.rotten).retain(|key| !batch.writes.iter().any(|write| is_written(write, key)));
        }
    }
}

/// Whether what a row was before does not matter any more.
fn is_written(write: &Write, row: &Bytes) -> bool {
    match write {
        Write::Put { key, .. } | Write::Delete { key } => key == row,
        Write::DeleteRange { start, end } => start <= row && row < end,
    }
}

fn rotten() -> StoreError {
    StoreError::Rotten("block checksum mismatch".to_owned())
}

struct MemoryView {
    image: Image,
    /// What a rotten row reads as; unset: as it was.
    rot: Option<fn() -> StoreError>,
}

impl MemoryView {
    fn check(&self, key: &[u8]) -> Result<(), StoreError> {
        match self.rot {
            Some(rot) if self.image.rotten.contains(key) => Err(rot()),
            _ => Ok(()),
        }
    }
}

impl View for MemoryView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.check(key)?;
        Ok(self.image.rows.get(key).cloned())
    }

    fn scan<'a>(&'a self, start: Bound<&[u8]>, end: Bound<&[u8]>, reverse: bool) -> Box<dyn Cursor + 'a> {
        let (start, end) = (start.map(Bytes::copy_from_slice), end.map(Bytes::copy_from_slice));
        let mut cursor = MemoryCursor { view: self, start, end, reverse, left: None, last: None };
        cursor.restart();
        Box::new(cursor)
    }
}

struct MemoryCursor<'a> {
    view: &'a MemoryView,
    start: Bound<Bytes>,
    end: Bound<Bytes>,
    reverse: bool,
    /// The rows still to come; `None` if the interval is empty.
    left: Option<Range<'a, Bytes, Bytes>>,
    /// The row passed last.
    last: Option<Bytes>,
}

impl MemoryCursor<'_> {
    fn restart(&mut self) {
        let bounds = (self.start.as_ref(), self.end.as_ref());
        self.left =
            if is_empty(&self.start, &self.end) { None } else { Some(self.view.image.rows.range::<Bytes, _>(bounds)) };
    }
}

impl Cursor for MemoryCursor<'_> {
    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        let Some(left) = &mut self.left else { return Ok(None) };
        let row = if self.reverse { left.next_back() } else { left.next() };
        let Some((key, value)) = row else { return Ok(None) };
        self.view.check(key)?;
        self.last = Some(key.clone());
        Ok(Some((key.clone(), value.clone())))
    }

    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let passed = self.last.as_ref().is_some_and(|last| if self.reverse { key >= last } else { key <= last });
        let to = Bytes::copy_from_slice(key);
        if passed {
            return Ok(());
        }
        if self.reverse {
            if excludes_above(&self.end, &to) {
                return Ok(());
            }
            self.end = Bound::Included(to);
        } else {
            if excludes_below(&self.start, &to) {
                return Ok(());
            }
            self.start = Bound::Included(to);
        }
        self.restart();
        Ok(())
    }
}

/// Whether the interval holds no key at all; ranges of a map must not be turned around.
fn is_empty(start: &Bound<Bytes>, end: &Bound<Bytes>) -> bool {
    match (start, end) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => start >= end,
    }
}

/// Whether the lower bound already lies at `key` or above.
fn excludes_below(start: &Bound<Bytes>, key: &Bytes) -> bool {
    matches!(start, Bound::Included(start) | Bound::Excluded(start) if start >= key)
}

/// Whether the upper bound already lies at `key` or below.
fn excludes_above(end: &Bound<Bytes>, key: &Bytes) -> bool {
    matches!(end, Bound::Included(end) | Bound::Excluded(end) if end <= key)
}
