//! The one writer of a drive's log: takes all that was queued while the last write was under way,
//! and makes it durable with one write and one fdatasync.
//!
//! Promises: batches reach the disk in the order they were queued, one write at a time; the first
//! failure is the last write (but for the want of open files, or of space for another file, which is waited out). A file
//! is used again only after a record saying so is durable.
//! Must not know: what entries mean.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_base::mutant;
use couronne_base::watch;
use couronne_cluster::map::LogEnd;
use couronne_ring::DriveId;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::batch::{self, BATCH_HEAD_BYTES, BLOCK_BYTES, FileHeader};
use super::newest::NewestNote;
use super::record::{self, Record};
use super::recovery::{LiveFile, Recovered};
use super::types::ReplicaId;
use super::{Completion, FILE_BYTES, FOLDER, LIVE_FILES_WANTED, LogError, States, UNFINISHED};
use crate::disk::{Access, Disk, DiskFile, when_files_are_left, when_there_is_room};

/// A chunk that has grown to this many bytes is closed, so that a batch fits a file.
const CHUNK_BYTES: usize = 1 << 20;

/// Kept at the end of a file for the record that retires others: it names every replica of the drive.
const RETIRE_BYTES: u64 = 64 << 10;

/// Spare files beyond this are removed.
const SPARE_FILES_MAX: usize = 2;

/// What will be one batch.
#[derive(Default)]
struct LogFileChunk {
    batch: Vec<u8>,
    touched: BTreeMap<ReplicaId, u64>,
    done: Vec<Completion>,
}

#[derive(Default)]
struct Pending {
    chunks: VecDeque<LogFileChunk>,
    failed: Option<LogError>,
}

/// What waits to be written.
#[derive(Default)]
pub(super) struct Queue {
    pending: Mutex<Pending>,
    wake: Notify,
}

/// The last chunk of the queue, open for one submission.
pub(super) struct OpenChunk<'a> {
    pending: MutexGuard<'a, Pending>,
    wake: &'a Notify,
}

impl Queue {
    /// Opens the queue for one submission; the error of the log if it has failed.
    pub(super) fn open(&self) -> Result<OpenChunk<'_>, LogError> {
        let mut pending = self.pending.lock();
        if let Some(error) = &pending.failed {
            return Err(error.clone());
        }
        if pending.chunks.back().is_none_or(|last| last.batch.len() >= CHUNK_BYTES) {
            let batch = vec![0; BATCH_HEAD_BYTES];
            pending.chunks.push_back(LogFileChunk { batch, ..LogFileChunk::default() });
        }
        Ok(OpenChunk { pending, wake: &self.wake })
    }

    /// Why it takes nothing any more, if it does not: the first reason counts.
    pub(super) fn failure(&self) -> Option<LogError> {
        self.pending.lock().failed.clone()
    }

    /// Refuses everything from now on, what waits included.
    pub(super) fn fail(&self, error: &LogError) {
        let chunks = {
            let mut pending = self.pending.lock();
            pending.failed.get_or_insert_with(|| error.clone());
            std::mem::take(&mut pending.chunks)
        };
        chunks.into_iter().flat_map(|chunk| chunk.done).for_each(|done| done(Err(error.clone())));
        self.wake.notify_one();
    }

    async fn take(&self) -> Result<VecDeque<LogFileChunk>, LogError> {
        loop {
            {
                let mut pending = self.pending.lock();
                if let Some(error) = &pending.failed {
                    return Err(error.clone());
                }
                if !pending.chunks.is_empty() {
                    return Ok(std::mem::take(&mut pending.chunks));
                }
            }
            self.wake.notified().await;
        }
    }
}

impl OpenChunk<'_> {
    /// Adds a record to the open chunk.
    pub(super) fn push(&mut self, replica: ReplicaId, record: &Record) {
        let Some(chunk) = self.pending.chunks.back_mut() else { return };
        if let Record::Entry(entry) = record {
            let last = chunk.touched.entry(replica).or_insert(0);
            *last = entry.position.index.max(*last);
        }
        record::encode(&mut chunk.batch, replica, record);
    }

    /// Closes the submission: `done` is called when the chunk is durable.
    pub(super) fn complete(mut self, done: Completion) {
        if let Some(chunk) = self.pending.chunks.back_mut() {
            chunk.done.push(done);
        }
        self.wake.notify_one();
    }
}

/// What the log takes of the disk, and the replicas that hold it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) live_files: usize,
    pub(super) spare_files: usize,
    pub(super) laggards: Vec<ReplicaId>,
}

pub(super) struct Components {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) drive: DriveId,
    pub(super) note: NewestNote,
    pub(super) env: Env,
    pub(super) states: Arc<States>,
    pub(super) queue: Arc<Queue>,
}

pub(super) struct Writer {
    components: Components,
    live: VecDeque<LiveFile>,
    spare: VecDeque<(String, Arc<dyn DiskFile>)>,
    next_sequence: u64,
    next_name: u64,
    generation: u64,
    offset: u64,
    chain: u64,
    usage: watch::Sender<Usage>,
    end: Arc<Mutex<LogEnd>>,
}

impl Writer {
    /// Takes over what recovery found. A recovered file is never appended to: a new one is opened.
    pub(super) async fn open(
        components: Components,
        recovered: Recovered,
        usage: watch::Sender<Usage>,
        end: Arc<Mutex<LogEnd>>,
    ) -> Result<Self, LogError> {
        let mut writer = Self {
            components,
            live: recovered.live.into(),
            spare: recovered.spare.into(),
            next_sequence: recovered.next_sequence,
            next_name: recovered.next_name,
            generation: 0,
            offset: 0,
            chain: recovered.chain,
            usage,
            end,
        };
        if writer.spare.is_empty() {
            // A start waits for no space.
            let made = writer.try_create().await?;
            writer.next_name += 1;
            writer.spare.push_back(made);
        }
        writer.roll().await?;
        writer.retire().await?;
        Ok(writer)
    }

    /// Writes until the first failure, or until the queue is closed.
    pub(super) async fn run(&mut self) -> Result<(), LogError> {
        let queue = Arc::clone(&self.components.queue);
        loop {
            let mut chunks = queue.take().await?;
            while let Some(chunk) = chunks.pop_front() {
                let LogFileChunk { batch, touched, done } = chunk;
                let result = self.write(batch, touched).await;
                done.into_iter().for_each(|done| done(result.clone()));
                if let Err(error) = result {
                    let rest = chunks.into_iter().flat_map(|chunk| chunk.done);
                    rest.for_each(|done| done(Err(error.clone())));
                    return Err(error);
                }
            }
            self.retire().await?;
        }
    }

    async fn write(&mut self, batch: Vec<u8>, touched: BTreeMap<ReplicaId, u64>) -> Result<(), LogError> {
        let len = to_u64(batch.len().next_multiple_of(BLOCK_BYTES));
        let end = self.offset.saturating_add(len).saturating_add(RETIRE_BYTES);
        if end > FILE_BYTES {
            self.append_batch(self.retire_record()).await?;
            self.roll().await?;
        }
        self.append_batch(batch).await?;
        if let Some(current) = self.live.back_mut() {
            for (replica, index) in touched {
                let last = current.touched.entry(replica).or_insert(0);
                *last = index.max(*last);
            }
        }
        Ok(())
    }

    async fn append_batch(&mut self, mut batch: Vec<u8>) -> Result<(), LogError> {
        let Some(current) = self.live.back() else { return Err(LogError::Failed("no open file".to_owned())) };
        let chain = batch::finish(&mut batch, self.generation, self.offset, self.chain);
        let len = to_u64(batch.len());
        current.file.write(self.offset, vec![Bytes::from(batch)], !mutant!(SkipLogSync)).await?;
        self.chain = chain;
        self.offset = self.offset.saturating_add(len);
        *self.end.lock() = LogEnd { file: current.sequence, offset: self.offset };
        Ok(())
    }

    /// Says which files are no longer needed, together with the purges that made them so: both
    /// durable at once, or neither.
    fn retire_record(&self) -> Vec<u8> {
        let oldest = self.live.front().map_or(self.next_sequence, |file| file.sequence);
        let mut batch = self.bases();
        record::encode(&mut batch, ReplicaId(0), &Record::Retire(oldest));
        batch
    }

    /// What stands before the entries of every replica.
    fn bases(&self) -> Vec<u8> {
        let mut batch = vec![0; BATCH_HEAD_BYTES];
        for (replica, state) in &*self.components.states.lock() {
            record::encode(&mut batch, *replica, &state.lock().base());
        }
        batch
    }

    /// Opens the next file: its header durable first, then the note that it is the newest, then what came before it.
    async fn roll(&mut self) -> Result<(), LogError> {
        let (name, file) = match self.spare.pop_front() {
            Some(spare) => spare,
            None => self.create().await?,
        };
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.generation = u64::from_be_bytes(self.components.env.random_bytes());
        let oldest_live = self.live.front().map_or(sequence, |file| file.sequence);
        let drive = self.components.drive;
        let header = FileHeader { sequence, generation: self.generation, drive, oldest_live, chain: self.chain };
        let (block, sum) = header.encode();
        file.write(0, vec![Bytes::from(block)], true).await?;
        self.components.note.write(sequence).await?;
        self.chain = sum;
        self.offset = to_u64(BLOCK_BYTES);
        self.live.push_back(LiveFile { name, sequence, file, touched: BTreeMap::new() });
        self.append_batch(self.bases()).await
    }

    /// Makes a file, once there is space for it.
    async fn create(&mut self) -> io::Result<(String, Arc<dyn DiskFile>)> {
        let made = when_there_is_room(|| self.components.queue.failure().is_none(), || self.try_create()).await?;
        self.next_name += 1;
        Ok(made)
    }

    /// Makes a file and writes it out: a first write to a fresh extent costs a journal commit. The file gets its
    /// name once it is whole, so that one of another length is proof of loss.
    async fn try_create(&self) -> io::Result<(String, Arc<dyn DiskFile>)> {
        let name = format!("{:08x}", self.next_name);
        let disk = &self.components.disk;
        let (path, unfinished) = (format!("{FOLDER}/{name}"), format!("{FOLDER}/{name}{UNFINISHED}"));
        match disk.remove(&unfinished).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = when_files_are_left(|| disk.create(&unfinished, FILE_BYTES, Access::Direct)).await?;
        let zeroes = Bytes::from(vec![0; CHUNK_BYTES]);
        let mut offset = 0;
        while offset < FILE_BYTES {
            file.write(offset, vec![zeroes.clone()], false).await?;
            offset += to_u64(CHUNK_BYTES);
        }
        file.sync().await?;
        disk.rename(&unfinished, &path).await?;
        when_files_are_left(|| disk.sync_dir(FOLDER)).await?;
        Ok((name, file))
    }

    /// Takes the oldest files that hold nothing needed out of use, and says which replicas hold back the next.
    async fn retire(&mut self) -> Result<(), LogError> {
        let needless = self.live.iter().take_while(|file| self.holders(file).is_empty()).count();
        let needless = needless.min(self.live.len().saturating_sub(1));
        // Room for the record is kept at the end of the file; it waits for the next file otherwise.
        if needless > 0 && self.offset.saturating_add(2 * RETIRE_BYTES) <= FILE_BYTES {
            for LiveFile { name, file, .. } in self.live.drain(..needless) {
                self.spare.push_back((name, file));
            }
            // Durable before any of them is overwritten or removed, so that no start looks for it.
            self.append_batch(self.retire_record()).await?;
            while self.spare.len() > SPARE_FILES_MAX {
                let Some((name, file)) = self.spare.pop_front() else { break };
                drop(file);
                self.components.disk.remove(&format!("{FOLDER}/{name}")).await?;
            }
        }
        let crowded = self.live.len() > LIVE_FILES_WANTED;
        let laggards = self.live.front().filter(|_| crowded).map(|oldest| self.holders(oldest)).unwrap_or_default();
        let usage = Usage { live_files: self.live.len(), spare_files: self.spare.len(), laggards };
        self.usage.send_if_modified(|old| {
            let changed = *old != usage;
            *old = usage;
            changed
        });
        Ok(())
    }

    /// The replicas that still need something of this file.
    fn holders(&self, file: &LiveFile) -> Vec<ReplicaId> {
        let states = self.components.states.lock();
        let needs = |replica: &ReplicaId, index: u64| states.get(replica).is_some_and(|s| !s.lock().is_past(index));
        let holders = file.touched.iter().filter(|(replica, index)| needs(replica, **index));
        holders.map(|(replica, _)| *replica).collect()
    }
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
