//! A drive's log: one append-only log shared by all replicas on the drive, one fdatasync for all.
//!
//! Promises: what was acknowledged is read back after any crash, in order; entries are readable as
//! soon as they are submitted; after a failed write the log takes nothing more, so every replica on
//! the drive stops. The submissions of one replica come in order.
//! Must not know: elections, rows.

mod batch;
mod newest;
mod record;
mod recovery;
mod state;
pub mod types;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use couronne_base::env::Env;
use couronne_base::mutant;
use couronne_base::watch;
use couronne_cluster::map::LogEnd;
use couronne_ring::DriveId;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::oneshot;

use self::types::{Entry, Position, ReplicaId, Vote};
use crate::disk::{Disk, is_out_of_space};
use newest::NewestNote;
use record::Record;
pub(crate) use record::{decode_members, encode_members, put_position, put_vote, take_position, take_vote};
use state::ReplicaState;
use writer::{Queue, Writer};

/// The folder of a drive's log files.
pub const FOLDER: &str = "log";

/// How the name of a log file ends while the file is made.
const UNFINISHED: &str = ".new";

/// The length of a log file in bytes; each is written out once, then used again and again.
pub const FILE_BYTES: u64 = 8 << 20;

/// The largest payload of one entry in bytes: an entry lies within one file.
pub const ENTRY_BYTES_MAX: usize = 6 << 20;

/// With more files than this in use, the stores that hold the log back are to be flushed.
const LIVE_FILES_WANTED: usize = 3;

/// With more files than this in use, the drive takes no new entries until stores are flushed.
const LIVE_FILES_MAX: usize = 12;

/// Why a log does not serve.
#[derive(Clone, Debug, Error)]
pub enum LogError {
    /// The medium failed; the log is closed for good.
    #[error("log failed: {0}")]
    Failed(String),
    /// A write over what was there found no space; the log is closed, and another start goes on with it.
    #[error("log found no space: {0}")]
    NoSpace(String),
    /// The log was closed on purpose.
    #[error("log was closed: {0}")]
    Closed(String),
    /// Durable bytes were lost: the drive has forgotten promises it made.
    #[error("log is corrupt: {0}")]
    Corrupt(String),
    /// The entry exceeds [`ENTRY_BYTES_MAX`].
    #[error("entry too large")]
    TooLarge,
    /// The replica was destroyed.
    #[error("replica was destroyed")]
    Destroyed,
}

impl From<std::io::Error> for LogError {
    fn from(error: std::io::Error) -> Self {
        if is_out_of_space(&error) { Self::NoSpace(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}

/// Called once what was submitted is durable, or never will be.
pub type Completion = Box<dyn FnOnce(Result<(), LogError>) + Send>;

/// A replica's vote and the bounds of its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogBounds {
    /// The last vote saved.
    pub vote: Option<Vote>,
    /// The last position purged.
    pub purged: Option<Position>,
    /// The last position of all.
    pub last: Option<Position>,
}

type States = Mutex<BTreeMap<ReplicaId, Arc<Mutex<ReplicaState>>>>;

/// The log of one drive.
pub struct DriveLog {
    states: Arc<States>,
    queue: Arc<Queue>,
    failed: watch::Receiver<Option<LogError>>,
    usage: watch::Receiver<writer::Usage>,
    /// Where the log ended when it was opened.
    recovered_end: LogEnd,
    /// Up to where the log is durable.
    end: Arc<Mutex<LogEnd>>,
}

/// One replica's part of its drive's log.
#[derive(Clone)]
pub struct ReplicaLog {
    replica: ReplicaId,
    state: Arc<Mutex<ReplicaState>>,
    queue: Arc<Queue>,
}

impl DriveLog {
    /// Reads back the drive's log and opens it for writing. The writer runs as a task until the log
    /// is dropped or fails. A log that ends before `known_end`, up to where it was durable, is corrupt.
    pub async fn open(disk: Arc<dyn Disk>, drive: DriveId, known_end: LogEnd, env: &Env) -> Result<Self, LogError> {
        disk.create_folder(FOLDER).await?;
        let (note, noted) = NewestNote::open(&*disk, drive).await?;
        let mut recovered = recovery::recover(&*disk, drive, noted).await?;
        let recovered_end = recovered.end;
        if recovered_end < known_end && !mutant!(TrustShorterLog) {
            return Err(LogError::Corrupt(format!("ends at {recovered_end:?}, was durable up to {known_end:?}")));
        }
        let end = Arc::new(Mutex::new(recovered_end));
        let replicas = std::mem::take(&mut recovered.replicas);
        let replicas = replicas.into_iter().map(|(id, state)| (id, Arc::new(Mutex::new(state))));
        let states = Arc::new(Mutex::new(replicas.collect()));
        let queue = Arc::new(Queue::default());
        let (failed_to, failed) = watch::channel(None);
        let (usage_to, usage) = watch::channel(writer::Usage::default());
        let (env, shared) = (env.clone(), (Arc::clone(&states), Arc::clone(&queue)));
        let components = writer::Components { disk, drive, note, env, states: shared.0, queue: shared.1 };
        let mut writer = Writer::open(components, recovered, usage_to, Arc::clone(&end)).await?;
        let for_task = Arc::clone(&queue);
        tokio::spawn(async move {
            if let Err(error) = writer.run().await {
                let error = for_task.failure().unwrap_or(error);
                match &error {
                    LogError::Closed(reason) => tracing::info!(%drive, reason, "drive log closed"),
                    error => tracing::error!(%drive, %error, "drive log failed for good"),
                }
                for_task.fail(&error);
                failed_to.send_replace(Some(error));
            }
        });
        Ok(Self { states, queue, failed, usage, recovered_end, end })
    }

    /// Removes a drive's log whole: its replicas have forgotten their past and get new ids.
    pub async fn remove(disk: &dyn Disk) -> Result<(), LogError> {
        for name in disk.list(FOLDER).await? {
            disk.remove(&format!("{FOLDER}/{name}")).await?;
        }
        disk.sync_dir(FOLDER).await?;
        Ok(newest::remove(disk).await?)
    }

    /// The replicas the log knows, and whether each was destroyed.
    pub fn replicas(&self) -> Vec<(ReplicaId, bool)> {
        let states = self.states.lock();
        states.iter().map(|(id, state)| (*id, state.lock().destroyed)).collect()
    }

    /// The log of one replica; a new one begins empty.
    pub fn replica(&self, replica: ReplicaId) -> Result<ReplicaLog, LogError> {
        let state = Arc::clone(self.states.lock().entry(replica).or_default());
        if state.lock().destroyed {
            return Err(LogError::Destroyed);
        }
        Ok(ReplicaLog { replica, state, queue: Arc::clone(&self.queue) })
    }

    /// Where the log ended when it was opened.
    pub const fn recovered_end(&self) -> LogEnd {
        self.recovered_end
    }

    /// Up to where the log is durable.
    pub fn end(&self) -> LogEnd {
        *self.end.lock()
    }

    /// Writes a mark, which says nothing but that the log goes on: so its end tells that the drive went on, too.
    pub fn mark(&self) -> Result<(), LogError> {
        self.queue.open()?.complete(Box::new(|_| ()));
        Ok(())
    }

    /// The replicas whose stores should be flushed so that the oldest file can be used again.
    pub fn laggards(&self) -> Vec<ReplicaId> {
        self.usage.borrow().laggards.clone()
    }

    /// Whether so many files are in use that new entries must wait for flushes.
    pub fn is_crowded(&self) -> bool {
        self.usage.borrow().live_files > LIVE_FILES_MAX
    }

    /// Bytes of files in use, and of those kept to be used again.
    pub fn bytes(&self) -> (u64, u64) {
        let usage = self.usage.borrow();
        let bytes = |files: usize| u64::try_from(files).unwrap_or(u64::MAX).saturating_mul(FILE_BYTES);
        (bytes(usage.live_files), bytes(usage.spare_files))
    }

    /// Resolves when the log has failed for good.
    pub async fn failed(&self) -> LogError {
        let mut failed = self.failed.clone();
        let found = failed.wait_for(Option::is_some).await.ok().and_then(|()| failed.borrow().clone());
        found.unwrap_or_else(|| LogError::Failed("writer is gone".to_owned()))
    }

    /// Whether it was a want of space that closed it.
    pub fn found_no_space(&self) -> bool {
        matches!(&*self.failed.borrow(), Some(LogError::NoSpace(_)))
    }

    /// Fails the log from outside: its drive is gone.
    pub fn close(&self, reason: &str) {
        self.queue.fail(&LogError::Closed(reason.to_owned()));
    }
}

impl Drop for DriveLog {
    fn drop(&mut self) {
        self.queue.fail(&LogError::Closed("dropped".to_owned()));
    }
}

impl ReplicaLog {
    /// The vote and the bounds of the entries.
    pub fn bounds(&self) -> LogBounds {
        let state = self.state.lock();
        LogBounds { vote: state.vote, purged: state.purged, last: state.last() }
    }

    /// Entries of `from..to` that are kept, up to `bytes_max` bytes of payload (at least one).
    pub fn entries(&self, from: u64, to: u64, bytes_max: usize) -> Vec<Entry> {
        self.state.lock().range(from, to, bytes_max)
    }

    /// Appends entries: readable at once, durable when `done` is called.
    pub fn append(&self, entries: impl IntoIterator<Item = Entry>, done: Completion) -> Result<(), LogError> {
        self.submit(entries.into_iter().map(Record::Entry), done)
    }

    /// Saves a vote; durable when this returns.
    pub async fn save_vote(&self, vote: Vote) -> Result<(), LogError> {
        self.submit_and_wait(Record::Vote(vote)).await
    }

    /// Drops every entry after `keep` (all, if `None`); durable when this returns.
    pub async fn truncate_after(&self, keep: Option<u64>) -> Result<(), LogError> {
        self.submit_and_wait(Record::Truncate(keep)).await
    }

    /// Forgets the entries up to `upto`, which the flushed store covers. Written with what comes
    /// next; losing it costs nothing but space.
    pub fn purge(&self, upto: Position) -> Result<(), LogError> {
        self.submit([Record::Purge(upto)], Box::new(|_| ()))
    }

    /// Ends the replica for good; durable when this returns.
    pub async fn destroy(&self) -> Result<(), LogError> {
        self.submit_and_wait(Record::Destroy).await
    }

    async fn submit_and_wait(&self, record: Record) -> Result<(), LogError> {
        let (to, from) = oneshot::channel();
        // The receiver waits below; if it was dropped, nobody wants to know.
        self.submit([record], Box::new(move |result| drop(to.send(result))))?;
        from.await.unwrap_or_else(|_| Err(LogError::Failed("writer is gone".to_owned())))
    }

    /// Applies the records in memory and queues them, in one order: the state's lock is held over both.
    fn submit(&self, records: impl IntoIterator<Item = Record>, done: Completion) -> Result<(), LogError> {
        let mut state = self.state.lock();
        let mut chunk = self.queue.open()?;
        for record in records {
            if matches!(&record, Record::Entry(entry) if entry.payload.bytes() > ENTRY_BYTES_MAX) {
                return Err(LogError::TooLarge);
            }
            chunk.push(self.replica, &record);
            state.apply(record).map_err(|error| LogError::Corrupt(error.to_string()))?;
        }
        chunk.complete(done);
        Ok(())
    }
}
