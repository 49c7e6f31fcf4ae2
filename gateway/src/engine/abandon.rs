//! Giving up a blob that will never be committed.
//!
//! While a guard is armed, dropping it (an error, a client that went away) sends `Abandon`: the blob
//! is reaped soon, and refused from then on. Once a commit was sent the guard is disarmed, for the
//! outcome may be yes; it is armed again only if the range said that the commit changed nothing.
//! A gateway that is killed sends nothing: the scrubber finds those shards.
//! Must not know: how blobs are written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use couronne_client::BucketView;
use couronne_metadata::command::Command;
use couronne_metadata::ids::ObjectKey;
use couronne_metadata::record::BlobRef;

use super::{Bucket, EngineError, Shared};

/// Abandons a blob when dropped armed.
pub(super) struct BlobGuard {
    shared: Arc<Shared>,
    bucket: BucketView,
    key: ObjectKey,
    blob: BlobRef,
    /// Bytes of the blob that may be on drives; nothing needs abandoning at 0.
    len: AtomicU64,
    armed: AtomicBool,
}

impl BlobGuard {
    pub(super) fn new(shared: Arc<Shared>, bucket: &Bucket, key: ObjectKey, blob: BlobRef) -> Self {
        Self { shared, bucket: bucket.view(), key, blob, len: AtomicU64::new(0), armed: AtomicBool::new(true) }
    }

    /// The blob may be on drives up to this length.
    pub(super) fn covers(&self, len: u64) {
        self.len.store(len, Ordering::Relaxed);
    }

    /// A commit is about to be sent.
    pub(super) fn disarm(&self) {
        self.armed.store(false, Ordering::Relaxed);
    }

    /// The commit's outcome is known.
    pub(super) fn settle<T>(&self, outcome: &Result<T, EngineError>) {
        let known_unchanged = matches!(outcome, Err(EngineError::Refused(_) | EngineError::StaleRules));
        self.armed.store(known_unchanged, Ordering::Relaxed);
    }
}

impl Drop for BlobGuard {
    fn drop(&mut self) {
        let len = self.len.load(Ordering::Relaxed);
        if len == 0 || !self.armed.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (shared, bucket, key) = (self.shared.clone(), self.bucket, self.key.clone());
        let blob = BlobRef { len, ..self.blob.clone() };
        runtime.spawn(async move {
            let id = blob.id;
            if let Err(error) = shared.client.router().execute(bucket, &key, Command::Abandon { blob }).await {
                tracing::info!(blob = %id, %error, "a blob could not be abandoned; the scrubber will find it");
            }
        });
    }
}
