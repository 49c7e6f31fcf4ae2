//! Multipart uploads until they are completed: opening one, writing parts, aborting.

use std::ops::Bound;

use super::put::bytes_delta;
use super::{Evaluation, Stop};
use crate::answer;
use crate::command::{InvalidReason, NewData, Outcome, Refusal};
use crate::effect::RemovedRows;
use crate::ids::{Ordinal, PartNumber, UploadId};
use crate::key::{self, RowKind};
use crate::record::{
    Attributes, BlobRef, BlobState, BucketRules, Checksum, ChecksumAlgorithm, ChecksumKind, Data, Etag, NamedBy,
    PartRecord, ReapReason, ReapTarget, UploadRecord,
};
use crate::usage::Usage;
use couronne_base::codec;

/// What is said of a new part.
pub(super) struct NewPart<'a> {
    pub(super) number: PartNumber,
    pub(super) data: &'a NewData,
    pub(super) size: u64,
    pub(super) etag: &'a Etag,
    pub(super) checksum: &'a Option<Checksum>,
}

impl Evaluation<'_> {
    pub(super) fn create_upload(
        &mut self,
        rules: &BucketRules,
        upload: UploadId,
        attributes: &Attributes,
        initiator: &str,
        checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    ) -> Result<Outcome, Stop> {
        let row = self.upload_row(RowKind::Upload, upload);
        // Parts of a dropped upload are on their way out: nobody may take them up again.
        if answer::is_upload(self.view, self.bucket(), &self.request.key, upload)? || self.has_parts(upload)? {
            return Err(Refusal::Invalid(InvalidReason::UploadExists).into());
        }
        if attributes.ask_for_lock() && rules.object_lock.is_none() {
            return Err(Refusal::Invalid(InvalidReason::NoLock).into());
        }
        let created = self.next_ordinal(None);
        let record = UploadRecord {
            created,
            commit: self.request.commit,
            attributes: attributes.clone(),
            initiator: initiator.into(),
            checksum,
        };
        self.put_row(row, &record);
        Ok(Outcome::Done { ordinal: created })
    }

    pub(super) fn put_part(&mut self, upload: UploadId, new: NewPart<'_>) -> Result<Outcome, Stop> {
        let of: UploadRecord = self.load(&self.upload_row(RowKind::Upload, upload))?.ok_or(Refusal::NoSuchUpload)?;
        let row = self.part_row(RowKind::Part, upload, new.number);
        let old: Option<PartRecord> = self.load(&row)?;
        let ordinal = self.next_ordinal(old.as_ref().map(|old| old.ordinal));
        if let Some(old) = &old {
            self.tally.add(&of.attributes, -of_parts([old]));
            self.drop_part_data(upload, old)?;
        }
        let payload_row = self.part_row(RowKind::PartPayload, upload, new.number);
        let data = self.admit(new.data, new.size, payload_row, NamedBy::Part { upload, number: new.number })?;
        let record = PartRecord {
            number: new.number,
            ordinal,
            commit: self.request.commit,
            etag: *new.etag,
            size: new.size,
            data,
            checksum: new.checksum.clone(),
        };
        self.tally.add(&of.attributes, of_parts([&record]));
        self.put_row(row, &record);
        Ok(Outcome::Done { ordinal })
    }

    pub(super) fn abort_upload(&mut self, upload: UploadId) -> Result<Outcome, Stop> {
        let row = self.upload_row(RowKind::Upload, upload);
        let record: UploadRecord = self.load(&row)?.ok_or(Refusal::NoSuchUpload)?;
        let parts = self.parts(upload)?;
        self.delete_row(row);
        if !parts.is_empty() {
            self.tally.add(&record.attributes, -of_parts(&parts));
            self.reap(ReapTarget::Upload(upload), ReapReason::Dropped);
            self.forget_repair(parts.iter().filter_map(|part| part.data.blob()).map(|blob| blob.id))?;
        }
        Ok(Outcome::Done { ordinal: Ordinal(self.now_us.max(record.created.0)) })
    }

    /// All parts of an upload, ascending; up to 10,000.
    pub(super) fn parts(&self, upload: UploadId) -> Result<Vec<PartRecord>, Stop> {
        let start = self.upload_row(RowKind::Part, upload);
        let end = key::end_of_upload(RowKind::Part, self.bucket(), &self.request.key, upload);
        let mut cursor = self.view.scan(Bound::Included(&start), Bound::Excluded(&end), false);
        let mut parts = Vec::new();
        while let Some((_, bytes)) = cursor.next()? {
            parts.push(codec::decode(&bytes)?);
        }
        Ok(parts)
    }

    fn has_parts(&self, upload: UploadId) -> Result<bool, Stop> {
        let start = self.upload_row(RowKind::Part, upload);
        let end = key::end_of_upload(RowKind::Part, self.bucket(), &self.request.key, upload);
        Ok(self.view.scan(Bound::Included(&start), Bound::Excluded(&end), false).next()?.is_some())
    }

    /// Gives up parts for good, their rows included. There may be thousands, under a long key: what the effect says of
    /// each is short.
    pub(super) fn drop_parts(
        &mut self,
        upload: UploadId,
        record: &UploadRecord,
        parts: &[PartRecord],
    ) -> Result<(), Stop> {
        let is_inline = |part: &&PartRecord| matches!(part.data, Data::Inline { .. });
        self.remove_part_rows(RowKind::Part, upload, parts.iter());
        self.remove_part_rows(RowKind::PartPayload, upload, parts.iter().filter(is_inline));
        self.tally.add(&record.attributes, -of_parts(parts));
        let blobs: Vec<BlobRef> = parts.iter().filter_map(|part| part.data.blob()).cloned().collect();
        for blob in &blobs {
            self.put_row(key::of_blob(RowKind::Blob, blob.id), &BlobState::PendingDelete);
        }
        self.forget_repair(blobs.iter().map(|blob| blob.id))?;
        if !blobs.is_empty() {
            self.reap(ReapTarget::Parts { upload, blobs }, ReapReason::Dropped);
        }
        Ok(())
    }

    fn remove_part_rows<'p>(&mut self, kind: RowKind, upload: UploadId, parts: impl Iterator<Item = &'p PartRecord>) {
        let prefix = self.upload_row(kind, upload);
        let suffixes: Vec<bytes::Bytes> = parts.map(|part| key::part_suffix(part.number)).collect();
        if !suffixes.is_empty() {
            self.effect.removed.push(RemovedRows { prefix, suffixes });
        }
    }

    fn drop_part_data(&mut self, upload: UploadId, part: &PartRecord) -> Result<(), Stop> {
        match &part.data {
            Data::Inline { .. } => {
                self.delete_row(self.part_row(RowKind::PartPayload, upload, part.number));
                Ok(())
            }
            Data::Blob(blob) => self.drop_blob(blob),
        }
    }

    pub(super) fn upload_row(&self, kind: RowKind, upload: UploadId) -> bytes::Bytes {
        key::of_upload(kind, self.bucket(), &self.request.key, upload)
    }

    fn part_row(&self, kind: RowKind, upload: UploadId, number: PartNumber) -> bytes::Bytes {
        key::of_part(kind, self.bucket(), &self.request.key, upload, number)
    }
}

/// What these parts of an open upload add to counters: a part is charged to the principal that opened the upload.
pub(super) fn of_parts<'p>(parts: impl IntoIterator<Item = &'p PartRecord>) -> Usage {
    parts.into_iter().fold(Usage::default(), |mut sum, part| {
        sum.add(Usage { parts: 1, part_bytes: bytes_delta(part.size), ..Usage::default() });
        sum
    })
}
