//! SegmentWriters: each appends to one open segment, with one write and sync for all that queued meanwhile.
//!
//! Promises: an append is answered only once it is durable and indexed; a segment is named durably before it takes a
//! batch; a batch is written only after the one before it is durable; after a failed write or sync nothing is appended
//! to that segment.
//! Must not know: requests, what is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use couronne_base::buffer::AlignedBuffer;
use couronne_base::mutant;
use couronne_protocol::shard::ShardError;
use tokio::sync::{mpsc, oneshot};

use super::core::Core;
use super::record::{Extent, Header, RecordPlace, RecordVersion, Subject};
use super::row::SegmentState;
use super::segment::{Class, PAGE_BYTES};
use super::segment_manager::{Fresh, Purpose, SegmentPin, zeroes};
use super::shard_index::Durable;
use super::turns::Turn;
use crate::disk::{DIRECT_ALIGN, is_out_of_files, is_out_of_space};

/// The most records of one batch.
const BATCH_RECORDS_MAX: usize = 512;

/// A record to append.
pub(super) struct Append {
    pub(super) subject: Subject,
    pub(super) version: RecordVersion,
    pub(super) payload: Bytes,
    pub(super) purpose: Purpose,
}

/// An append in a queue.
struct Waiting {
    append: Append,
    done: oneshot::Sender<Result<(), ShardError>>,
    _queued: Queued,
}

/// Counts an append's bytes, and keeps its turn, for as long as it waits: also if its caller no longer does.
struct Queued {
    bytes: u64,
    all: Arc<AtomicU64>,
    _turn: Option<Turn>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The way to one open segment.
struct SegmentWriter {
    queue: mpsc::Sender<Waiting>,
    queued_bytes: Arc<AtomicU64>,
}

/// All writers of a drive. Their tasks end when this is dropped.
pub(super) struct SegmentWriters {
    core: Arc<Core>,
    small: SegmentWriter,
    large: Vec<SegmentWriter>,
}

impl SegmentWriters {
    /// Starts the writers' tasks.
    pub(super) fn start(core: &Arc<Core>) -> Self {
        let start = |class| {
            let (queue, waiting) = mpsc::channel(core.settings.queue_records_max.max(1));
            tokio::spawn(Worker { core: core.clone(), class, open: None, carried: None }.run(waiting));
            SegmentWriter { queue, queued_bytes: Arc::default() }
        };
        let large = (0..core.settings.large_writers.max(1)).map(|_| start(Class::Large)).collect();
        Self { core: core.clone(), small: start(Class::Small), large }
    }

    /// Bytes that wait to be written.
    pub(super) fn queued_bytes(&self) -> u64 {
        let writers = self.large.iter().chain([&self.small]);
        writers.map(|writer| writer.queued_bytes.load(Ordering::Relaxed)).sum()
    }

    /// Appends a record; answers once it is durable and indexed, and only then ends the shard's turn. Shards are refused
    /// when too much waits; duties wait.
    pub(super) async fn append(&self, append: Append, turn: Option<Turn>) -> Result<(), ShardError> {
        let writer = self.writer(&append).ok_or_else(|| ShardError::Down("no writer".to_owned()))?;
        let bytes = append.payload.len() as u64;
        let waiting_bytes = writer.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let queued = Queued { bytes, all: writer.queued_bytes.clone(), _turn: turn };
        let purpose = append.purpose;
        let (done, answer) = oneshot::channel();
        let waiting = Waiting { append, done, _queued: queued };
        match purpose {
            Purpose::Duties => writer.queue.send(waiting).await.map_err(|_| ended())?,
            Purpose::Shards if waiting_bytes > self.core.settings.queue_bytes_max => {
                return Err(ShardError::Overloaded);
            }
            Purpose::Shards => writer.queue.try_send(waiting).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => ShardError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => ended(),
            })?,
        }
        answer.await.unwrap_or_else(|_| Err(ended()))
    }

    /// The writer for a record: of those for large shards the one where least waits, the first of equals.
    fn writer(&self, append: &Append) -> Option<&SegmentWriter> {
        if append.payload.len() <= self.core.settings.small_bytes_max as usize {
            return Some(&self.small);
        }
        self.large.iter().min_by_key(|writer| writer.queued_bytes.load(Ordering::Relaxed))
    }
}

fn ended() -> ShardError {
    ShardError::Down("drive was closed".to_owned())
}

/// A segment being appended to.
struct Open {
    pinned: SegmentPin,
    generation: u64,
    len: u64,
    /// Only duties may append to it.
    reserved: bool,
    prepared: u64,
    end: u64,
    chain: u64,
}

/// The task of a writer.
struct Worker {
    core: Arc<Core>,
    class: Class,
    open: Option<Open>,
    /// Taken from the queue, but it did not fit in the last batch.
    carried: Option<Waiting>,
}

/// What one write will put on the disk.
struct WritePlan {
    buffers: Vec<Bytes>,
    records: Vec<Durable>,
    prepared: u64,
}

impl Worker {
    async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        loop {
            let first = match self.carried.take() {
                Some(carried) => carried,
                None => match queue.recv().await {
                    Some(first) => first,
                    None => break,
                },
            };
            if let Err(error) = self.make_room(&first.append).await {
                let _ = first.done.send(Err(error));
                continue;
            }
            let batch = self.collect(first, &mut queue);
            self.write(batch).await;
        }
    }

    /// Sees to an open segment that has room for `append`.
    async fn make_room(&mut self, append: &Append) -> Result<(), ShardError> {
        self.core.health.check()?;
        if let Some(open) = &self.open
            && self.fits(open, open.end, append)
        {
            return Ok(());
        }
        // A full drive keeps its open segment: smaller records, and tombstones, may still fit.
        let fresh = match self.core.segments.make(self.class, append.purpose).await {
            Ok(fresh) => fresh,
            Err(error) if is_out_of_space(&error) => return Err(ShardError::Full),
            Err(error) if is_out_of_files(&error) => return Err(ShardError::Overloaded),
            Err(error) => return Err(self.core.health.failed("making a segment", &error)),
        };
        if let Some(full) = self.open.take() {
            self.core.stored(self.core.index.set_state(full.pinned.number, SegmentState::Sealed, false).await)?;
        }
        self.name(&fresh).await?;
        let open = Open {
            generation: fresh.generation,
            len: fresh.len,
            reserved: fresh.reserved,
            prepared: fresh.prepared,
            end: PAGE_BYTES,
            chain: fresh.generation,
            pinned: fresh.pinned,
        };
        let fits = self.fits(&open, open.end, append);
        self.open = Some(open);
        if fits { Ok(()) } else { Err(ShardError::Refused("shard is longer than a segment".to_owned())) }
    }

    /// Names a segment durably; one that cannot be named takes no records.
    async fn name(&self, fresh: &Fresh) -> Result<(), ShardError> {
        let (number, index) = (fresh.pinned.number, &self.core.index);
        index.add(number, self.class, fresh.generation, fresh.len);
        let named = index.name(number).await;
        if named.is_err() {
            self.core.stored(index.set_state(number, SegmentState::Sealed, false).await)?;
        }
        self.core.stored(named)
    }

    /// Whether `append` may follow, in the same batch, what ends at `end`.
    fn fits(&self, open: &Open, end: u64, append: &Append) -> bool {
        let Extent { stride, .. } = self.extent(append);
        let end = end.saturating_add(u64::from(stride)).next_multiple_of(PAGE_BYTES);
        end <= open.len && (!open.reserved || append.purpose == Purpose::Duties)
    }

    fn extent(&self, append: &Append) -> Extent {
        let align = self.class.align();
        let payload_offset = append.subject.header_len().next_multiple_of(align);
        let stride = (payload_offset + append.payload.len()).next_multiple_of(align);
        let bounded = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        Extent { payload_offset: bounded(payload_offset), stride: bounded(stride) }
    }

    /// What waits behind `first`, as far as it fits.
    fn collect(&mut self, first: Waiting, queue: &mut mpsc::Receiver<Waiting>) -> Vec<Waiting> {
        let Some(open) = &self.open else { return vec![first] };
        let stride = |waiting: &Waiting| u64::from(self.extent(&waiting.append).stride);
        let mut end = open.end.saturating_add(stride(&first));
        let mut batch = vec![first];
        while batch.len() < BATCH_RECORDS_MAX && end - open.end < self.core.settings.batch_bytes_max {
            let Ok(next) = queue.try_recv() else { break };
            if !self.fits(open, end, &next.append) {
                self.carried = Some(next);
                break;
            }
            end = end.saturating_add(stride(&next));
            batch.push(next);
        }
        batch
    }

    async fn write(&mut self, batch: Vec<Waiting>) {
        let (appends, answers): (Vec<Append>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.append, (waiting.done, waiting._queued))).unzip();
        let result = self.write_all(appends).await;
        for (done, queued) in answers {
            drop(queued);
            let _ = done.send(result.clone());
        }
    }

    async fn write_all(&mut self, appends: Vec<Append>) -> Result<(), ShardError> {
        let Some(open) = &self.open else { return Err(ended()) };
        let WritePlan { buffers, records, prepared } = self.plan(open, appends);
        let number = open.pinned.number;
        let written = open.pinned.file().write(open.end, buffers, !mutant!(SkipShardSync)).await;
        if let Err(error) = written
            && !mutant!(IgnoreFailedSync)
        {
            self.open = None;
            self.core.stored(self.core.index.set_state(number, SegmentState::Sealed, true).await)?;
            return Err(self.core.health.failed("appending to a segment", &error));
        }
        self.core.health.succeeded();
        if let (Some(open), Some(last)) = (&mut self.open, records.last()) {
            open.end = last.end();
            open.chain = last.checksum;
            open.prepared = prepared;
        }
        self.core.stored(self.core.index.apply(number, records).await)
    }

    /// Lays the records out behind the segment's end: headers and padding in one new buffer, payloads
    /// from where they are.
    fn plan(&self, open: &Open, appends: Vec<Append>) -> WritePlan {
        let count = appends.len();
        let mut headers = AlignedBuffer::with_capacity(count * (2 * self.class.align()).max(256));
        let mut scratch = Vec::with_capacity(512);
        let mut records = Vec::with_capacity(count);
        let mut payloads = Vec::with_capacity(count);
        let mut place = RecordPlace { generation: open.generation, offset: open.end, previous: open.chain };
        for (at, append) in (1..).zip(appends) {
            let mut extent = self.extent(&append);
            let mut end = place.offset + u64::from(extent.stride);
            if at == count {
                let padding = end.next_multiple_of(PAGE_BYTES) - end;
                extent.stride = extent.stride.saturating_add(u32::try_from(padding).unwrap_or(0));
                end += padding;
            }
            let Append { subject, version, payload, .. } = append;
            let header = Header { subject, version, extent, place, first_of_batch: at == 1 };
            scratch.clear();
            let checksum = header.encode(&mut scratch);
            headers.extend_from_slice(&scratch);
            headers.extend_zeroes((extent.payload_offset as usize).saturating_sub(scratch.len()));
            payloads.push((headers.len(), payload));
            let after = extent.payload_offset + header.subject.payload_len();
            headers.extend_zeroes((extent.stride as usize).saturating_sub(after as usize));
            place = RecordPlace { offset: end, previous: checksum, ..place };
            records.push(Durable { header, checksum });
        }
        let (zeroes, prepared) = self.prepare(open, place.offset);
        let mut buffers = weave(headers.freeze(), payloads);
        buffers.extend(zeroes);
        WritePlan { buffers, records, prepared }
    }

    /// Zeroes to write behind `end`, so that the blocks of the next batches were written before, and
    /// how far the segment is then prepared.
    fn prepare(&self, open: &Open, end: u64) -> (Option<Bytes>, u64) {
        if self.class == Class::Large || end <= open.prepared {
            return (None, open.prepared);
        }
        let step = self.core.settings.prepare_bytes.clamp(DIRECT_ALIGN as u64, 1 << 20);
        let zeroes = zeroes(step.min(open.len.saturating_sub(end)));
        let prepared = end.saturating_add(zeroes.len() as u64);
        (Some(zeroes), prepared)
    }
}

/// The buffers in their order on the disk: each payload behind the part of `headers` up to its cut.
fn weave(headers: Bytes, payloads: Vec<(usize, Bytes)>) -> Vec<Bytes> {
    let mut buffers = Vec::with_capacity(2 * payloads.len() + 2);
    let mut from = 0;
    for (cut, payload) in payloads {
        if !payload.is_empty() {
            buffers.push(headers.slice(from..cut));
            buffers.push(payload);
            from = cut;
        }
    }
    buffers.push(headers.slice(from..));
    buffers
}
