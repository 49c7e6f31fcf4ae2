//! The one writer of a drive's index: applies durable records to it, in the same way while serving,
//! after a start and when it is rebuilt.
//!
//! Promises: applying records in any order between segments, once or again, ends in the same rows: of
//! each thing the record of the highest version counts. The rows of a batch and the account of its
//! segments change together. Nothing waits for the medium on a thread that runs tasks, nor with a lock that such a
//! thread takes.
//! Must not know: files, queues.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use couronne_metadata::store::{Batch, Store, StoreError, View};
use couronne_placement::ShardId;
use parking_lot::Mutex;

use super::record::{Deleted, Header, Subject};
use super::row::{SegmentRow, SegmentState, ShardRow, TombstoneRow};
use super::segment::{Class, PAGE_BYTES, SegmentNumber};
use crate::drives::threads::{LONG_CALL_TIME_MAX, StoreThreads};

/// Rows that are checked at a time.
const CHECKED_ROWS: usize = 4096;

/// A record that is durable, and the checksum of its header.
#[derive(Clone, Debug)]
pub(super) struct Durable {
    pub(super) header: Header,
    pub(super) checksum: u64,
}

impl Durable {
    /// Where the next record starts.
    pub(super) fn end(&self) -> u64 {
        self.header.place.offset.saturating_add(u64::from(self.header.extent.stride))
    }
}

/// The index and its account of segments. Clones are the same.
#[derive(Clone)]
pub(super) struct ShardIndex {
    index: Arc<Index>,
    /// Where what waits for the medium is done.
    threads: StoreThreads,
}

struct Index {
    store: Arc<dyn Store>,
    /// Held from when a change reads what it goes by until the store has it: on a thread that may wait. Holds the change
    /// that the store could not take for want of space: no other begins before it has.
    changing: Mutex<Option<Batch>>,
    /// Held for moments only, never while the medium is waited for.
    accounts: Mutex<Accounts>,
}

/// What is known of every segment.
#[derive(Default)]
struct Accounts {
    segments: BTreeMap<SegmentNumber, SegmentRow>,
    /// Records applied since the index was flushed: what a start would have to read again.
    unflushed_records: u64,
    /// No tombstone has a higher sequence than this: what is newer need not look for one.
    tombstones_max: u64,
}

/// One batch in the making: reads see what it already says.
struct Change<'a> {
    view: Box<dyn View + 'a>,
    rows: BTreeMap<Bytes, Option<Bytes>>,
    /// What the batch adds to, or takes from, the live bytes of segments.
    live: BTreeMap<SegmentNumber, i64>,
    accounts: &'a Mutex<Accounts>,
    tombstones_max: u64,
}

/// A batch that is made.
struct Finished {
    rows: BTreeMap<Bytes, Option<Bytes>>,
    live: BTreeMap<SegmentNumber, i64>,
    tombstones_max: u64,
}

impl ShardIndex {
    /// Takes an index with what its segment rows say.
    pub(super) async fn open(store: Arc<dyn Store>, threads: StoreThreads) -> Result<Self, StoreError> {
        let index = threads.run_within(LONG_CALL_TIME_MAX, move || Index::read(store)).await??;
        Ok(Self { index: Arc::new(index), threads })
    }

    /// Changes the index: one change after the other. `change` notes what it does in the accounts, and gives the rows.
    async fn change(
        &self,
        change: impl FnOnce(&Index) -> Result<Batch, StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let change = Arc::new(Mutex::new(Some(change)));
        let attempt = || {
            let (index, change) = (Arc::clone(&self.index), Arc::clone(&change));
            async move {
                let changed = self.threads.run(move || {
                    let mut untaken = index.changing.lock();
                    index.write_untaken(&mut untaken)?;
                    // Made once, for the accounts go by it.
                    if let Some(change) = change.lock().take() {
                        *untaken = Some(change(&index)?);
                    }
                    index.write_untaken(&mut untaken)
                });
                changed.await?
            }
        };
        self.threads.when_there_is_room(attempt).await
    }

    /// Reads rows of the index; `read` may be called twice.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&dyn View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.threads.read(&self.index.store, read).await
    }

    /// Reads rows from the medium, some at a time, from `start` on: their bytes, and the first key behind them.
    pub(super) async fn check(&self, start: Bytes) -> Result<(u64, Option<Bytes>), StoreError> {
        let index = Arc::clone(&self.index);
        let check = move || {
            let view = index.store.view_on_medium();
            let mut rows = view.scan(Bound::Included(&start), Bound::Unbounded, false);
            let (mut count, mut bytes) = (0usize, 0u64);
            while let Some((key, value)) = rows.next()? {
                if count == CHECKED_ROWS {
                    return Ok((bytes, Some(key)));
                }
                count += 1;
                bytes += (key.len() + value.len()) as u64;
            }
            Ok((bytes, None))
        };
        self.threads.run_within(LONG_CALL_TIME_MAX, check).await?
    }

    /// The row of a shard.
    pub(super) async fn shard(&self, shard: ShardId) -> Result<Option<ShardRow>, StoreError> {
        let key = ShardRow::key(shard);
        self.read(move |view| view.get(&key)?.map(|value| ShardRow::decode(&value)).transpose()).await
    }

    /// The row of a tombstone.
    pub(super) async fn tombstone(&self, deleted: Deleted) -> Result<Option<TombstoneRow>, StoreError> {
        let key = TombstoneRow::key(deleted);
        self.read(move |view| view.get(&key)?.map(|value| TombstoneRow::decode(&value)).transpose()).await
    }

    /// Ends recovery: every tombstone there is has a sequence below `next_sequence`.
    pub(super) fn serve(&self, next_sequence: u64) {
        self.index.accounts.lock().tombstones_max = next_sequence.saturating_sub(1);
    }

    /// All segments, oldest first.
    pub(super) fn segments(&self) -> Vec<(SegmentNumber, SegmentRow)> {
        self.index.accounts.lock().segments.iter().map(|(number, row)| (*number, *row)).collect()
    }

    /// Whether there is a segment that failed: it may hold records that were never indexed.
    pub(super) fn any_failed(&self) -> bool {
        self.index.accounts.lock().segments.values().any(|row| row.failed)
    }

    /// One segment.
    pub(super) fn segment(&self, number: SegmentNumber) -> Option<SegmentRow> {
        self.index.accounts.lock().segments.get(&number).copied()
    }

    /// Takes up a segment, whose file has `len` bytes, of which no record is indexed yet. Its row reaches the index when
    /// it is named, or with its first records.
    pub(super) fn add(&self, number: SegmentNumber, class: Class, generation: u64, len: u64) {
        let row = SegmentRow {
            class,
            state: SegmentState::Open,
            failed: false,
            generation,
            end: PAGE_BYTES,
            chain: generation,
            sequence_max: 0,
            live: 0,
            len,
        };
        self.index.accounts.lock().segments.insert(number, row);
    }

    /// Makes it durable that there is a segment, before it takes records: a start that finds the file gone knows then
    /// that something was lost, whatever else of the index it lacks.
    pub(super) async fn name(&self, number: SegmentNumber) -> Result<(), StoreError> {
        self.set_state(number, SegmentState::Open, false).await?;
        // Waits for space: each further segment would take more of it.
        self.threads.when_there_is_room(|| self.flush()).await
    }

    /// Says what becomes of a segment.
    pub(super) async fn set_state(
        &self,
        number: SegmentNumber,
        state: SegmentState,
        failed: bool,
    ) -> Result<(), StoreError> {
        let set = move |index: &Index| {
            let row = {
                let mut accounts = index.accounts.lock();
                let Some(row) = accounts.segments.get_mut(&number) else { return Ok(Batch::default()) };
                row.state = state;
                row.failed |= failed;
                *row
            };
            let mut batch = Batch::default();
            batch.put(SegmentRow::key(number), row.encode());
            Ok(batch)
        };
        self.change(set).await
    }

    /// Forgets a segment whose file is durably gone.
    pub(super) async fn forget(&self, number: SegmentNumber) -> Result<(), StoreError> {
        let forget = move |index: &Index| {
            index.accounts.lock().segments.remove(&number);
            let mut batch = Batch::default();
            batch.delete(SegmentRow::key(number));
            Ok(batch)
        };
        self.change(forget).await
    }

    /// Forgets tombstones that nothing older than them outlives: `(what, its row)`. A row that changed
    /// meanwhile stays.
    pub(super) async fn drop_tombstones(&self, dropped: Vec<(Bytes, TombstoneRow)>) -> Result<(), StoreError> {
        let drop_all = move |index: &Index| {
            let mut change = index.begin();
            for (key, row) in &dropped {
                let now = change.get(key)?.map(|value| TombstoneRow::decode(&value)).transpose()?;
                if now.as_ref() == Some(row) {
                    change.rows.insert(key.clone(), None);
                    change.count(row.segment, -i64::from(row.stride));
                }
            }
            let finished = change.finish();
            Ok(index.commit(finished, |_| ()))
        };
        self.change(drop_all).await
    }

    /// Applies durable records of one segment, in their order.
    pub(super) async fn apply(&self, segment: SegmentNumber, records: Vec<Durable>) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        self.change(move |index| index.apply(segment, &records)).await
    }

    /// Records that a start would have to read again.
    pub(super) fn unflushed_records(&self) -> u64 {
        self.index.accounts.lock().unflushed_records
    }

    /// About how many bytes the index holds in memory only.
    pub(super) fn unflushed_bytes(&self) -> u64 {
        self.index.store.unflushed_bytes()
    }

    /// Makes all rows applied so far durable.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        let index = Arc::clone(&self.index);
        let flush = move || {
            // A change under way has its account before the store has its rows: what the account says is to be durable.
            index.write_untaken(&mut index.changing.lock())?;
            let before = index.accounts.lock().unflushed_records;
            index.store.flush()?;
            let mut accounts = index.accounts.lock();
            accounts.unflushed_records = accounts.unflushed_records.saturating_sub(before);
            Ok(())
        };
        self.threads.run_within(LONG_CALL_TIME_MAX, flush).await?
    }
}

impl Index {
    fn read(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let mut accounts = Accounts { tombstones_max: u64::MAX, ..Accounts::default() };
        {
            let view = store.view();
            let (start, end) = SegmentRow::all();
            let mut rows = view.scan(Bound::Included(start), Bound::Excluded(end), false);
            while let Some((key, value)) = rows.next()? {
                accounts.segments.insert(SegmentRow::number(&key)?, SegmentRow::decode(&value)?);
            }
        }
        Ok(Self { store, changing: Mutex::default(), accounts: Mutex::new(accounts) })
    }

    fn begin(&self) -> Change<'_> {
        Change {
            view: self.store.view(),
            rows: BTreeMap::new(),
            live: BTreeMap::new(),
            accounts: &self.accounts,
            tombstones_max: self.accounts.lock().tombstones_max,
        }
    }

    /// Has the store take the change that it could not take before, if there is one.
    fn write_untaken(&self, untaken: &mut Option<Batch>) -> Result<(), StoreError> {
        if let Some(batch) = untaken.as_ref() {
            self.store.apply(batch)?;
        }
        *untaken = None;
        Ok(())
    }

    fn apply(&self, segment: SegmentNumber, records: &[Durable]) -> Result<Batch, StoreError> {
        let Some(last) = records.last() else { return Ok(Batch::default()) };
        let mut change = self.begin();
        for record in records {
            change.apply(segment, &record.header)?;
        }
        change.count(segment, 0);
        let finished = change.finish();
        Ok(self.commit(finished, |accounts| {
            if let Some(account) = accounts.segments.get_mut(&segment) {
                account.end = last.end();
                account.chain = last.checksum;
                let sequences = records.iter().map(|record| record.header.version.sequence);
                account.sequence_max = sequences.fold(account.sequence_max, u64::max);
            }
            accounts.unflushed_records += records.len() as u64;
        }))
    }

    /// The rows of a change, with the accounts of its segments once `note` has changed them.
    fn commit(&self, finished: Finished, note: impl FnOnce(&mut Accounts)) -> Batch {
        let Finished { rows, live, tombstones_max } = finished;
        let mut batch = Batch::default();
        for (key, value) in rows {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        {
            let mut accounts = self.accounts.lock();
            note(&mut accounts);
            accounts.tombstones_max = tombstones_max;
            for (number, bytes) in live {
                if let Some(account) = accounts.segments.get_mut(&number) {
                    account.live = account.live.saturating_add_signed(bytes);
                    batch.put(SegmentRow::key(number), account.encode());
                }
            }
        }
        batch
    }
}

impl Change<'_> {
    fn finish(self) -> Finished {
        Finished { rows: self.rows, live: self.live, tombstones_max: self.tombstones_max }
    }

    fn get(&self, key: &Bytes) -> Result<Option<Bytes>, StoreError> {
        match self.rows.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.view.get(key),
        }
    }

    fn count(&mut self, segment: SegmentNumber, bytes: i64) {
        *self.live.entry(segment).or_default() += bytes;
    }

    fn apply(&mut self, segment: SegmentNumber, header: &Header) -> Result<(), StoreError> {
        match &header.subject {
            Subject::Shard(facts) => {
                let row = ShardRow {
                    segment,
                    offset: header.place.offset,
                    extent: header.extent,
                    version: header.version,
                    geometry: facts.geometry,
                    shard_len: facts.shard_len,
                    owner: facts.owner.clone(),
                    older: Vec::new(),
                    frames: facts.frames.clone(),
                };
                self.apply_shard(facts.shard, row)
            }
            Subject::Tombstone(deleted) => {
                let row =
                    TombstoneRow { segment, stride: header.extent.stride, version: header.version, older: Vec::new() };
                self.apply_tombstone(*deleted, row)
            }
        }
    }

    /// A shard counts unless a newer tombstone or a newer record of it is known.
    fn apply_shard(&mut self, shard: ShardId, mut row: ShardRow) -> Result<(), StoreError> {
        let tombstones = [Deleted::Blob(shard.chunk.blob), Deleted::Shard(shard)];
        for deleted in tombstones.into_iter().filter(|_| row.version.sequence < self.tombstones_max) {
            let key = TombstoneRow::key(deleted);
            let Some(value) = self.get(&key)? else { continue };
            let mut tombstone = TombstoneRow::decode(&value)?;
            if tombstone.version.sequence > row.version.sequence {
                note(&mut tombstone.older, row.segment);
                self.rows.insert(key, Some(tombstone.encode()));
                return Ok(());
            }
        }
        let key = ShardRow::key(shard);
        let stride = i64::from(row.extent.stride);
        if let Some(value) = self.get(&key)? {
            let mut known = ShardRow::decode(&value)?;
            if (known.segment, known.offset) == (row.segment, row.offset) {
                return Ok(());
            }
            if known.version >= row.version {
                note(&mut known.older, row.segment);
                self.rows.insert(key, Some(known.encode()));
                return Ok(());
            }
            self.count(known.segment, -i64::from(known.extent.stride));
            row.older = known.older;
            {
                let accounts = self.accounts.lock();
                row.older.retain(|segment| accounts.segments.contains_key(segment));
            }
            note(&mut row.older, known.segment);
        }
        self.count(row.segment, stride);
        self.rows.insert(key, Some(row.encode()));
        Ok(())
    }

    /// A tombstone takes away every older record of what it names, and remembers where they stand.
    fn apply_tombstone(&mut self, deleted: Deleted, mut row: TombstoneRow) -> Result<(), StoreError> {
        let key = TombstoneRow::key(deleted);
        if let Some(value) = self.get(&key)? {
            let mut known = TombstoneRow::decode(&value)?;
            if known.version >= row.version {
                return Ok(());
            }
            self.count(known.segment, -i64::from(known.stride));
            row.older.append(&mut known.older);
        }
        for (shard_key, shard) in self.shards(deleted)? {
            if shard.version.sequence < row.version.sequence {
                self.count(shard.segment, -i64::from(shard.extent.stride));
                shard.older.iter().chain([&shard.segment]).for_each(|segment| note(&mut row.older, *segment));
                self.rows.insert(shard_key, None);
            }
        }
        // A failed segment may hold records that were never indexed.
        {
            let accounts = self.accounts.lock();
            let failed = accounts.segments.iter().filter(|(_, account)| account.failed);
            failed.for_each(|(segment, _)| note(&mut row.older, *segment));
        }
        self.tombstones_max = self.tombstones_max.max(row.version.sequence);
        self.count(row.segment, i64::from(row.stride));
        self.rows.insert(key, Some(row.encode()));
        Ok(())
    }

    /// The shards that a deletion names, this batch's own included.
    fn shards(&self, deleted: Deleted) -> Result<Vec<(Bytes, ShardRow)>, StoreError> {
        let prefix = match deleted {
            Deleted::Blob(blob) => ShardRow::prefix(blob),
            Deleted::Shard(shard) => ShardRow::key(shard).to_vec(),
        };
        let mut found = BTreeMap::new();
        let mut rows = self.view.scan(Bound::Included(&prefix), Bound::Unbounded, false);
        while let Some((key, value)) = rows.next()?.filter(|(key, _)| key.starts_with(&prefix)) {
            found.insert(key, Some(value));
        }
        let own = self.rows.range(Bytes::from(prefix.clone())..).take_while(|(key, _)| key.starts_with(&prefix));
        found.extend(own.map(|(key, value)| (key.clone(), value.clone())));
        let present = found.into_iter().filter_map(|(key, value)| Some((key, value?)));
        present.map(|(key, value)| Ok((key, ShardRow::decode(&value)?))).collect()
    }
}

fn note(segments: &mut Vec<SegmentNumber>, segment: SegmentNumber) {
    if !segments.contains(&segment) {
        segments.push(segment);
    }
}
