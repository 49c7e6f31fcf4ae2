//! What gateways give up and what background duties report.

use std::collections::BTreeSet;

use bytes::Bytes;
use couronne_placement::BlobId;

use super::{Evaluation, Stop};
use crate::answer;
use crate::command::{InvalidReason, Outcome, Refusal};
use crate::ids::{BucketId, ObjectKey};
use crate::key::{self, RowKind};
use crate::record::{BlobRef, ReapReason, ReapRecord, ReapTarget, RepairRecord};
use crate::watermarks::Watermarks;

impl Evaluation<'_> {
    /// Gives up a blob whose commit was never sent. One that a row names was sent after all: it stays.
    pub(super) fn abandon(&mut self, blob: &BlobRef) -> Result<Outcome, Stop> {
        if answer::names_blob(self.view, self.bucket(), &self.request.key, blob.id)? {
            return Err(Refusal::Conflict.into());
        }
        self.reap_blob(blob, ReapReason::Abandoned);
        self.put_row(key::of_blob(RowKind::Abandoned, blob.id), &Bytes::new());
        Ok(self.done())
    }

    /// The drives deleted what a reap row named: the row goes, and with an upload its parts' rows.
    pub(super) fn reaped(&mut self, name: &Bytes) -> Result<Outcome, Stop> {
        let row = key::of_range(RowKind::Reap, name);
        let Some(record) = self.load::<ReapRecord>(&row)? else { return Err(Stop::Settled(self.done())) };
        self.delete_row(row);
        match record.target {
            ReapTarget::Blob(blob) => self.forget_blob(blob.id),
            ReapTarget::Parts { blobs, .. } => blobs.iter().for_each(|blob| self.forget_blob(blob.id)),
            ReapTarget::Upload(upload) => {
                for kind in [RowKind::Part, RowKind::PartPayload] {
                    self.delete_rows(
                        key::of_upload(kind, record.bucket, &record.key, upload),
                        key::end_of_upload(kind, record.bucket, &record.key, upload),
                    );
                }
            }
        }
        Ok(self.done())
    }

    fn forget_blob(&mut self, blob: BlobId) {
        self.delete_row(key::of_blob(RowKind::PendingDelete, blob));
        self.delete_row(key::of_blob(RowKind::Repair, blob));
    }

    /// The blob is whole again on its primaries.
    pub(super) fn repaired(&mut self, blob: BlobId) -> Result<Outcome, Stop> {
        let row = key::of_blob(RowKind::Repair, blob);
        if !self.exists(&row)? {
            return Err(Stop::Settled(self.done()));
        }
        self.delete_row(row);
        Ok(self.done())
    }

    /// Blobs had shards on drives that were lost or emptied. One that no row names any more needs no
    /// repair; should it be dropped while this is on its way, the reaper takes the repair row along.
    pub(super) fn mark_degraded(&mut self, blobs: &[RepairRecord]) -> Result<Outcome, Stop> {
        // Blobs come in the order of their keys; the parts of an upload share one.
        let mut named: Option<(BucketId, &ObjectKey, BTreeSet<BlobId>)> = None;
        for degraded in blobs {
            let row = key::of_blob(RowKind::Repair, degraded.blob.id);
            let known = self.load::<RepairRecord>(&row)?;
            if known.is_some_and(|known| known.missing >= degraded.missing) {
                continue;
            }
            let owner = (degraded.bucket, &degraded.key);
            let names = match named.take().filter(|(bucket, key, _)| (*bucket, *key) == owner) {
                Some((_, _, names)) => names,
                None => answer::blobs_of(self.view, owner.0, owner.1)?,
            };
            if names.contains(&degraded.blob.id) {
                self.put_row(row, degraded);
            }
            named = Some((owner.0, owner.1, names));
        }
        if self.effect.writes.is_empty() { Err(Stop::Settled(self.done())) } else { Ok(self.done()) }
    }

    /// Raises the disown horizon. Refused blobs born before it are refused for that, so their rows go.
    pub(super) fn advance_horizon(&mut self, horizon_ms: u64) -> Result<Outcome, Stop> {
        if horizon_ms > self.now_ms() {
            return Err(Refusal::Invalid(InvalidReason::TooEarly).into());
        }
        if horizon_ms <= self.watermarks.horizon_ms {
            return Err(Stop::Settled(self.done()));
        }
        self.raise_watermarks(Watermarks { horizon_ms, ..Watermarks::default() });
        self.delete_born_before(RowKind::Abandoned, horizon_ms);
        Ok(self.done())
    }

    /// Forgets outcomes. A command as old as those is refused from then on.
    pub(super) fn expire_dedup_entries(&mut self, before_ms: u64) -> Result<Outcome, Stop> {
        if before_ms > self.now_ms() {
            return Err(Refusal::Invalid(InvalidReason::TooEarly).into());
        }
        if before_ms <= self.watermarks.forgotten_ms {
            return Err(Stop::Settled(self.done()));
        }
        self.raise_watermarks(Watermarks { forgotten_ms: before_ms, ..Watermarks::default() });
        self.delete_born_before(RowKind::Commit, before_ms);
        Ok(self.done())
    }

    /// Commit and blob ids begin with their birth time alike.
    fn delete_born_before(&mut self, kind: RowKind, before_ms: u64) {
        let end = key::of_range(kind, &BlobId::new(before_ms, [0; 10]).to_bytes());
        self.delete_rows(key::of_range(kind, &[]), end);
    }
}
