//! The store in memory: the fake of RocksDB in tests and simulation.
//!
//! It forgets as RocksDB without its log does: a crash leaves the effect of some prefix of the
//! batches, at least up to the last flush. Views cost nothing to take; the first batch after one was
//! taken copies the map if the view still lives, so it is for small stores or few views.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
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
    rows: Arc<MemoryRows>,
    flushed: Arc<MemoryRows>,
    unflushed: Vec<Batch>,
    unflushed_bytes: u64,
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
        let mut rows = (*state.flushed).clone();
        for (_, batch) in (0..survivors).zip(&state.unflushed) {
            write(&mut rows, batch);
        }
        state.rows = Arc::new(rows);
        state.settle();
    }

    /// Another store that holds what a snapshot of this one taken now would: what a crash leaves.
    pub fn backup(&self, seed: u64) -> Self {
        let copy = Self { state: Mutex::new(self.state.lock().clone()) };
        copy.crash(seed);
        copy
    }

    /// How many batches a crash could lose.
    pub fn unflushed_batches(&self) -> usize {
        self.state.lock().unflushed.len()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.state.lock().rows.len()
    }
}

impl MemoryState {
    /// Makes the present rows durable.
    fn settle(&mut self) {
        self.flushed = Arc::clone(&self.rows);
        self.unflushed.clear();
        self.unflushed_bytes = 0;
    }
}

impl Store for MemoryStore {
    fn view(&self) -> Box<dyn View + '_> {
        Box::new(MemoryView { rows: Arc::clone(&self.state.lock().rows) })
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        write(Arc::make_mut(&mut state.rows), batch);
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

fn write(rows: &mut MemoryRows, batch: &Batch) {
    for write in &batch.writes {
        match write {
            Write::Put { key, value } => {
                rows.insert(key.clone(), value.clone());
            }
            Write::Delete { key } => {
                rows.remove(key);
            }
            Write::DeleteRange { start, end } if start < end => {
                let dropped: Vec<Bytes> = rows.range(start.clone()..end.clone()).map(|(key, _)| key.clone()).collect();
                for key in dropped {
                    rows.remove(&key);
                }
            }
            Write::DeleteRange { .. } => {}
        }
    }
}

struct MemoryView {
    rows: Arc<MemoryRows>,
}

impl View for MemoryView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan<'a>(&'a self, start: Bound<&[u8]>, end: Bound<&[u8]>, reverse: bool) -> Box<dyn Cursor + 'a> {
        let (start, end) = (start.map(Bytes::copy_from_slice), end.map(Bytes::copy_from_slice));
        let mut cursor = MemoryCursor { rows: &self.rows, start, end, reverse, left: None, last: None };
        cursor.restart();
        Box::new(cursor)
    }
}

struct MemoryCursor<'a> {
    rows: &'a MemoryRows,
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
        self.left = if is_empty(&self.start, &self.end) { None } else { Some(self.rows.range::<Bytes, _>(bounds)) };
    }
}

impl Cursor for MemoryCursor<'_> {
    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        let Some(left) = &mut self.left else { return Ok(None) };
        let row = if self.reverse { left.next_back() } else { left.next() };
        let Some((key, value)) = row else { return Ok(None) };
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
