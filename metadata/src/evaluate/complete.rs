//! Completing a multipart upload: one current row that names the upload; the part rows stay.
//!
//! The upload's row becomes a completed row that says which version it made, and goes with that
//! version; by it a client's repeat with the same parts gets the same answer.

use bytes::Bytes;

use super::put::bytes_delta;
use super::upload::of_parts;
use super::version::Found;
use super::{Evaluation, Stop, condition, digest};
use crate::command::{CompletedPart, InvalidReason, Outcome, Precondition, Refusal};
use crate::ids::{UploadId, VersionId};
use crate::key::RowKind;
use crate::record::{BucketRules, ChecksumAlgorithm, Content, ObjectRecord, PartRecord, UploadRecord, VersionRecord};
use crate::usage::Usage;

/// What the client says of the whole.
pub(super) struct Said<'a> {
    pub(super) parts: &'a [CompletedPart],
    pub(super) checksum: Option<&'a Bytes>,
    pub(super) size: Option<u64>,
}

impl Evaluation<'_> {
    pub(super) fn complete_upload(
        &mut self,
        rules: &BucketRules,
        upload: UploadId,
        said: &Said<'_>,
        part_bytes_min: u64,
        condition: &Precondition,
    ) -> Result<Outcome, Stop> {
        check_order(said.parts)?;
        let row = self.upload_row(RowKind::Upload, upload);
        let Some(record) = self.load::<UploadRecord>(&row)? else {
            return Err(Stop::Settled(self.completed_before(upload, said)?));
        };
        let parts = self.named_parts(upload, &record, said.parts)?;
        check_sizes(&parts, part_bytes_min)?;
        let size = parts.iter().map(|part| part.size).sum();
        let checksum = digest::of_upload(record.checksum, &parts)?;
        if let Some(said) = said.size.filter(|said| *said != size) {
            return Err(Refusal::WrongSize { said, computed: size }.into());
        }
        if said.checksum.is_some_and(|said| checksum.as_ref().is_none_or(|checksum| checksum.value != said)) {
            return Err(Refusal::BadDigest.into());
        }
        let current = self.current()?;
        condition::check(condition, current.as_deref())?;
        let new_version = self.make_new_version(rules, current)?;
        let object = ObjectRecord {
            ordinal: new_version.ordinal,
            version: new_version.version,
            commit: self.request.commit,
            etag: digest::etag(&parts),
            size,
            content: content(upload, &parts),
            attributes: self.locked_attributes(rules, &record.attributes)?,
            checksum,
        };
        self.tally.add(&record.attributes, -of_parts(&parts));
        self.tally.add(&object.attributes, Usage { bytes: bytes_delta(size), ..Usage::default() });
        self.delete_row(row);
        self.put_row(
            self.upload_row(RowKind::Completed, upload),
            &(new_version.ordinal, new_version.version == VersionId::Null),
        );
        self.set_current(&object);
        Ok(outcome(object))
    }

    /// The answer to a repeat, if the upload was completed with these parts and its object is still there.
    fn completed_before(&self, upload: UploadId, said: &Said<'_>) -> Result<Outcome, Stop> {
        let place = self.load(&self.upload_row(RowKind::Completed, upload))?;
        let (ordinal, null): (_, bool) = place.ok_or(Refusal::NoSuchUpload)?;
        let version = if null { VersionId::Null } else { VersionId::Ordinal(ordinal) };
        let object = match self.find(version)? {
            Some(Found::Current(object) | Found::Noncurrent(VersionRecord::Object(object))) => object,
            _ => return Err(Refusal::NoSuchUpload.into()),
        };
        let parts = self.parts(upload)?;
        // Both ascend.
        let mut later = parts.iter();
        for part in said.parts {
            let kept = later.find(|kept| kept.number >= part.number);
            if kept.is_none_or(|kept| kept.number != part.number || !agrees(kept, part)) {
                return Err(Refusal::InvalidPart(part.number).into());
            }
        }
        match parts.iter().zip(said.parts).find(|(kept, part)| kept.number != part.number) {
            Some((kept, _)) => Err(Refusal::InvalidPart(kept.number).into()),
            None if parts.len() != said.parts.len() => Err(Refusal::InvalidPartOrder.into()),
            None => Ok(outcome(*object)),
        }
    }

    /// The parts that the client names; the others are dropped.
    fn named_parts(
        &mut self,
        upload: UploadId,
        record: &UploadRecord,
        said: &[CompletedPart],
    ) -> Result<Vec<PartRecord>, Stop> {
        let mut said = said.iter().peekable();
        let (mut named, mut dropped) = (Vec::with_capacity(said.len()), Vec::new());
        for part in self.parts(upload)? {
            match said.peek() {
                Some(wanted) if wanted.number < part.number => break,
                Some(wanted) if wanted.number == part.number => {
                    if !agrees(&part, wanted) {
                        return Err(Refusal::InvalidPart(part.number).into());
                    }
                    said.next();
                    named.push(part);
                }
                _ => dropped.push(part),
            }
        }
        match said.next() {
            Some(missing) => Err(Refusal::InvalidPart(missing.number).into()),
            None => {
                self.drop_parts(upload, record, &dropped)?;
                Ok(named)
            }
        }
    }
}

fn check_order(parts: &[CompletedPart]) -> Result<(), Refusal> {
    if parts.is_empty() {
        return Err(Refusal::Invalid(InvalidReason::NoParts));
    }
    let ascending = parts.windows(2).all(|pair| matches!(pair, [a, b] if a.number < b.number));
    if ascending { Ok(()) } else { Err(Refusal::InvalidPartOrder) }
}

fn check_sizes(parts: &[PartRecord], part_bytes_min: u64) -> Result<(), Refusal> {
    let all_but_last = parts.split_last().map_or(&[][..], |(_, rest)| rest);
    match all_but_last.iter().find(|part| part.size < part_bytes_min) {
        Some(small) => Err(Refusal::EntityTooSmall { number: small.number, size: small.size }),
        None => Ok(()),
    }
}

/// Whether a part is what the client says of it. Every part has a CRC-64/NVME, and clients that asked for no checksum are
/// shown it.
fn agrees(kept: &PartRecord, said: &CompletedPart) -> bool {
    let checksum_agrees = said.checksum.as_ref().is_none_or(|(algorithm, value)| {
        let own = kept.checksum.as_ref().filter(|own| own.algorithm == *algorithm);
        match own {
            Some(own) => own.value == value,
            None => *algorithm == ChecksumAlgorithm::Crc64Nvme && kept.data.crc64().to_be_bytes()[..] == value[..],
        }
    });
    said.etag == Some(kept.etag) && checksum_agrees
}

fn content(upload: UploadId, parts: &[PartRecord]) -> Content {
    let count = u16::try_from(parts.len()).unwrap_or(u16::MAX);
    let uniform_bytes = parts.first().map(|first| first.size).filter(|size| {
        let numbered = parts.iter().zip(1..).all(|(part, number)| part.number.get() == number);
        let (last, rest) = parts.split_last().map_or((0, &[][..]), |(last, rest)| (last.size, rest));
        numbered && *size > 0 && last <= *size && rest.iter().all(|part| part.size == *size)
    });
    Content::Parts { upload, count, uniform_bytes }
}

fn outcome(object: ObjectRecord) -> Outcome {
    let ObjectRecord { ordinal, version, etag, size, checksum, .. } = object;
    Outcome::Completed { ordinal, version, etag, size, checksum }
}
