//! What all parts of a drive share: its files, its index, its health.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use couronne_base::env::Env;
use couronne_metadata::store::StoreError;
use couronne_placement::BlobId;
use couronne_protocol::shard::ShardError;
use parking_lot::Mutex;

use super::identity::Identity;
use super::recovery::LostSegment;
use super::segment::SegmentNumber;
use super::segment_manager::SegmentManager;
use super::settings::Settings;
use super::shard_index::ShardIndex;
use crate::disk::{Disk, is_out_of_space};

/// The shared parts.
pub(super) struct Core {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) env: Env,
    pub(super) identity: Identity,
    pub(super) settings: Settings,
    pub(super) segments: SegmentManager,
    pub(super) index: ShardIndex,
    pub(super) health: Health,
    /// The sequence of the next record.
    pub(super) sequence: AtomicU64,
    /// Blobs of which a deletion is being written, or failed to be: the next start may find it on the disk. Until then
    /// what is here of them is not enough of an answer to a write.
    pub(super) half_deleted: Mutex<BTreeSet<BlobId>>,
    /// The segments that the start found lost, until the cluster knows.
    pub(super) lost: Mutex<Vec<LostSegment>>,
}

impl Core {
    pub(super) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// Passes an index result on. An index that failed takes the drive down: what it says may be less
    /// than what was answered.
    pub(super) fn stored<T>(&self, result: Result<T, StoreError>) -> Result<T, ShardError> {
        result.map_err(|error| match error {
            StoreError::Corrupt(what) | StoreError::Rotten(what) => {
                self.health.note_rotten_index(&what);
                ShardError::Corrupt(what)
            }
            StoreError::OutOfFiles | StoreError::NotInMemory => ShardError::Overloaded,
            // Nothing was changed, or the drive is out of service already.
            StoreError::Full => ShardError::Full,
            StoreError::Sealed(_) | StoreError::Failed(_) => self.health.down(&format!("index: {error}")),
        })
    }
}

/// Whether the drive can be written to.
#[derive(Default)]
pub(super) struct Health {
    failures_max: u32,
    failures: AtomicU32,
    down: ArcSwapOption<String>,
    is_index_rotten: AtomicBool,
    is_segment_missing: AtomicBool,
}

impl Health {
    pub(super) fn new(failures_max: u32) -> Self {
        Self { failures_max, ..Self::default() }
    }

    /// Refuses if the drive is down.
    pub(super) fn check(&self) -> Result<(), ShardError> {
        self.down.load_full().map_or(Ok(()), |reason| Err(ShardError::Down(reason.to_string())))
    }

    /// Why the drive is down, if it is.
    pub(super) fn reason(&self) -> Option<String> {
        self.down.load_full().map(|reason| reason.to_string())
    }

    /// Some of the index is rotten: it is to be made anew.
    fn note_rotten_index(&self, what: &str) {
        if !self.is_index_rotten.swap(true, Ordering::Relaxed) {
            tracing::error!(what, "rows of a drive's index are rotten");
        }
    }

    /// Whether some of the index was found to be rotten.
    pub(super) fn is_index_rotten(&self) -> bool {
        self.is_index_rotten.load(Ordering::Relaxed)
    }

    /// The file of a segment is gone although something counts in it.
    pub(super) fn note_missing_segment(&self, number: SegmentNumber) {
        if !self.is_segment_missing.swap(true, Ordering::Relaxed) {
            tracing::error!(segment = number.0, "segment file is gone while the drive serves");
        }
    }

    /// Whether the file of a segment was seen to be gone.
    pub(super) fn is_segment_missing(&self) -> bool {
        self.is_segment_missing.load(Ordering::Relaxed)
    }

    /// Takes the drive down for good.
    pub(super) fn down(&self, reason: &str) -> ShardError {
        tracing::error!(reason, "the drive goes down for good");
        self.down.store(Some(Arc::new(reason.to_owned())));
        ShardError::Down(reason.to_owned())
    }

    /// Counts a failed write; too many in a row take the drive down. The want of space says nothing of the drive.
    pub(super) fn failed(&self, what: &str, error: &io::Error) -> ShardError {
        let counted = u32::from(!is_out_of_space(error));
        let failures = self.failures.fetch_add(counted, Ordering::Relaxed).saturating_add(counted);
        tracing::warn!(operation = what, %error, failures, "the drive failed a write");
        let reason = format!("{what}: {error}");
        if failures >= self.failures_max { self.down(&reason) } else { ShardError::Down(reason) }
    }

    /// A write succeeded.
    pub(super) fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }
}
