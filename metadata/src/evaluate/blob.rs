//! The row of a blob: naming a blob, giving it up, forgetting it.
//!
//! Promises: a blob is named by one row of the key that its id is bound to, once; a blob that was dropped or abandoned is
//! never named again, and is not to be repaired. All of it is under the key's latch, since the id says which key that is.
//! Must not know: what the bytes are.

use bytes::Bytes;
use couronne_base::mutant;
use couronne_placement::BlobId;

use super::{COMMIT_AGE_MS_MAX, Evaluation, Stop};
use crate::command::{Outcome, Refusal};
use crate::effect::RemovedRows;
use crate::ids;
use crate::key::{self, RowKind};
use crate::record::{BlobRef, BlobState, NamedBlob, NamedBy, RangeFacts, ReapReason, ReapTarget};

impl Evaluation<'_> {
    /// Writes that a row of the key names a blob. Refused: a blob of another key, one that has a row already, one that
    /// is so old that drives may have been told that nobody owns it, and one that gateways may not write any more.
    pub(super) fn name_blob(&mut self, blob: &BlobRef, by: NamedBy) -> Result<(), Stop> {
        let row = key::of_blob(RowKind::Blob, blob.id);
        let is_disowned = self.watermarks.disowns(blob.id) && !mutant!(NameDisowned);
        let is_late = blob.id.birth_ms().saturating_add(COMMIT_AGE_MS_MAX) < self.now_ms();
        let is_taken = self.exists(&row)? && !mutant!(NameTwice);
        if is_disowned || is_late || is_taken || !self.is_of_key(blob.id) {
            return Err(Refusal::BlobRefused.into());
        }
        let (bucket, key) = (self.bucket(), self.request.key.clone());
        let named = NamedBlob { blob: blob.clone(), bucket, key, by };
        self.put_row(row, &BlobState::Named(Box::new(named)));
        Ok(())
    }

    /// Gives up a blob whose commit was never sent. One that has a row was named after all, or given up before.
    pub(super) fn abandon(&mut self, blob: &BlobRef) -> Result<Outcome, Stop> {
        if !self.is_of_key(blob.id) {
            return Err(Refusal::BlobRefused.into());
        }
        if self.exists(&key::of_blob(RowKind::Blob, blob.id))? && !mutant!(AbandonNamed) {
            return Err(Refusal::Conflict.into());
        }
        self.reap(ReapTarget::Blob(blob.clone()), ReapReason::Abandoned);
        self.put_row(key::of_blob(RowKind::Blob, blob.id), &BlobState::Abandoned);
        Ok(self.done())
    }

    /// The row that named the blob goes.
    pub(super) fn drop_blob(&mut self, blob: &BlobRef) -> Result<(), Stop> {
        self.reap(ReapTarget::Blob(blob.clone()), ReapReason::Dropped);
        self.put_row(key::of_blob(RowKind::Blob, blob.id), &BlobState::PendingDelete);
        self.forget_repair([blob.id].into_iter())
    }

    /// Nothing names these blobs any more: their repair rows go at once. Until the reaper has been there they would
    /// say of data that nobody wants that it is in danger. A row that a duty leaves at this very moment stays, and goes
    /// when the repairer looks at it.
    pub(super) fn forget_repair(&mut self, blobs: impl Iterator<Item = BlobId>) -> Result<(), Stop> {
        if !self.exists(&RangeFacts::repair_count_row())? {
            return Ok(());
        }
        let mut suffixes = Vec::new();
        for blob in blobs {
            if self.exists(&key::of_blob(RowKind::Repair, blob))? {
                suffixes.push(Bytes::copy_from_slice(&blob.to_bytes()));
            }
        }
        if !suffixes.is_empty() {
            self.effect.removed.push(RemovedRows { prefix: key::of_range(RowKind::Repair, &[]), suffixes });
        }
        Ok(())
    }

    /// The drives deleted the blobs: their rows go, and with them what was to be repaired.
    pub(super) fn forget_blobs(&mut self, blobs: &[BlobId]) {
        if blobs.is_empty() {
            return;
        }
        for kind in [RowKind::Blob, RowKind::Repair] {
            let suffixes = blobs.iter().map(|blob| Bytes::copy_from_slice(&blob.to_bytes())).collect();
            self.effect.removed.push(RemovedRows { prefix: key::of_range(kind, &[]), suffixes });
        }
    }

    /// What the blob's row says.
    pub(super) fn blob_state(&self, blob: BlobId) -> Result<Option<BlobState>, Stop> {
        self.load(&key::of_blob(RowKind::Blob, blob))
    }

    fn is_of_key(&self, blob: BlobId) -> bool {
        ids::is_bound(blob, self.bucket(), &self.request.key) || mutant!(NameForeign)
    }
}
