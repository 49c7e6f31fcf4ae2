//! What background duties report.

use bytes::Bytes;
use couronne_placement::{BlobId, birth};

use super::{Evaluation, Stop};
use crate::answer;
use crate::command::{InvalidReason, Outcome, Refusal};
use crate::key::{self, RowKind};
use crate::query::Ownership;
use crate::record::{BlobRef, BlobState, RangeMarks, ReapRecord, ReapTarget, RepairRecord};
use crate::store_scrub::StoreScrub;
use crate::watermarks::Watermarks;

impl Evaluation<'_> {
    /// The drives deleted what a reap row named: the row goes, and with it the rows of the blobs, and of an upload those
    /// of its parts. What is named after all, the reaper left alone, and so does this.
    pub(super) fn reaped(&mut self, name: &Bytes) -> Result<Outcome, Stop> {
        let row = key::of_range(RowKind::Reap, name);
        let Some(record) = self.load::<ReapRecord>(&row)? else { return Err(Stop::Settled(self.done())) };
        self.delete_row(row);
        match &record.target {
            ReapTarget::Blob(blob) => match self.blob_state(blob.id)? {
                Some(BlobState::PendingDelete) => self.forget_blobs(&[blob.id]),
                Some(BlobState::Abandoned) => self.reaped_abandoned(blob, &record),
                Some(BlobState::Named(_)) | None => {}
            },
            ReapTarget::Parts { blobs, .. } => {
                let mut gone = Vec::with_capacity(blobs.len());
                for blob in blobs {
                    if self.blob_state(blob.id)? == Some(BlobState::PendingDelete) {
                        gone.push(blob.id);
                    }
                }
                self.forget_blobs(&gone);
            }
            ReapTarget::Upload(upload) => {
                let (bucket, key, upload) = (record.bucket, &record.key, *upload);
                if !answer::is_upload(self.view, bucket, key, upload)? {
                    let blobs = answer::blobs_of_upload(self.view, bucket, key, upload)?;
                    self.forget_blobs(&blobs.iter().map(|blob| blob.id).collect::<Vec<_>>());
                    for kind in [RowKind::Part, RowKind::PartPayload] {
                        let end = key::end_of_upload(kind, bucket, key, upload);
                        self.delete_rows(key::of_upload(kind, bucket, key, upload), end);
                    }
                }
            }
        }
        Ok(self.done())
    }

    /// A blob that was abandoned is refused until the horizon has passed its birth: until then its row stays, and by
    /// then the reaper comes once more, for what was written late.
    fn reaped_abandoned(&mut self, blob: &BlobRef, record: &ReapRecord) {
        let Some(left_ms) = blob.id.birth_ms().checked_sub(self.watermarks.horizon_ms) else {
            return self.forget_blobs(&[blob.id]);
        };
        let not_before_ms = self.now_ms().saturating_add(left_ms.max(self.settings.reap_delay_ms));
        let again = ReapRecord { not_before_ms, ..record.clone() };
        self.put_row(key::of_reap(&again), &again);
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

    /// Blobs had shards on drives that were lost or emptied. One that no row names any more, or only a part of a dropped
    /// upload, needs no repair; should it be dropped while this is on its way, the repairer finds that out.
    pub(super) fn mark_degraded(&mut self, blobs: &[RepairRecord]) -> Result<Outcome, Stop> {
        for degraded in blobs {
            let row = key::of_blob(RowKind::Repair, degraded.blob.id);
            let known = self.load::<RepairRecord>(&row)?;
            let missing = match &known {
                // What older losses took, as the row says, is missing beside what these did.
                Some(known) if degraded.losses > known.losses => {
                    let most = known.found.saturating_add(degraded.at_most);
                    known.missing.saturating_add(degraded.missing).min(most).max(degraded.missing)
                }
                _ => degraded.missing,
            };
            let at_least =
                |said: fn(&RepairRecord) -> u8, now: u8| known.as_ref().map_or(now, |known| now.max(said(known)));
            let (missing, found) = (at_least(|row| row.missing, missing), at_least(|row| row.found, degraded.found));
            if known.as_ref().is_some_and(|known| (known.missing, known.found) == (missing, found)) {
                continue;
            }
            let ownership = answer::owns(self.view, degraded.bucket, &degraded.key, degraded.blob.id)?;
            if ownership == Ownership::Owned {
                let losses = known.as_ref().map_or(0, |known| known.losses).max(degraded.losses);
                let since_ms = known.and_then(|known| known.since_ms).or(Some(self.now_ms()));
                self.put_row(row, &RepairRecord { missing, since_ms, losses, found, ..degraded.clone() });
            }
        }
        if self.effect.writes.is_empty() { Err(Stop::Settled(self.done())) } else { Ok(self.done()) }
    }

    /// A sweep begins. Its latch waits for every commit that was evaluated before.
    pub(super) fn begin_sweep(&mut self, map_version: u64) -> Result<Outcome, Stop> {
        if map_version <= self.watermarks.sweep_map {
            return Err(Stop::Settled(self.done()));
        }
        self.raise_watermarks(Watermarks { sweep_map: map_version, ..Watermarks::default() });
        Ok(self.done())
    }

    /// A sweep is finished.
    pub(super) fn end_sweep(&mut self, map_version: u64) -> Result<Outcome, Stop> {
        let marks = RangeMarks::load(self.view)?;
        self.put_row(RangeMarks::row(), &RangeMarks { swept_version: marks.swept_version.max(map_version), ..marks });
        Ok(self.done())
    }

    /// Every shard of every blob was looked for.
    pub(super) fn end_look(&mut self, ended_ms: u64) -> Result<Outcome, Stop> {
        let marks = RangeMarks::load(self.view)?;
        self.put_row(RangeMarks::row(), &RangeMarks { looked_ms: Some(ended_ms), ..marks });
        Ok(self.done())
    }

    /// The comparison of the range's replicas goes on.
    pub(super) fn scrub_stores(&mut self, scrub: &StoreScrub) -> Result<Outcome, Stop> {
        self.put_row(StoreScrub::row(), scrub);
        Ok(self.done())
    }

    /// Raises the disown horizon.
    pub(super) fn advance_horizon(&mut self, horizon_ms: u64) -> Result<Outcome, Stop> {
        if horizon_ms > self.now_ms() {
            return Err(Refusal::Invalid(InvalidReason::TooEarly).into());
        }
        if horizon_ms <= self.watermarks.horizon_ms {
            return Err(Stop::Settled(self.done()));
        }
        self.raise_watermarks(Watermarks { horizon_ms, ..Watermarks::default() });
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
        // Commit ids begin with their birth time.
        let end = key::of_range(RowKind::Commit, &birth::id(before_ms, [0; 10]));
        self.delete_rows(key::of_range(RowKind::Commit, &[]), end);
        Ok(self.done())
    }
}
