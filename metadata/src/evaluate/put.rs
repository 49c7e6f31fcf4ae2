//! Writing an object, and what writing objects and parts have in common.

use super::{BLOB_BYTES_MAX, Evaluation, Stop, condition};
use crate::command::{InvalidReason, NewData, Outcome, Precondition, Refusal};
use crate::key::{self, RowKind};
use crate::record::{
    Attributes, BlobRef, BucketRules, Checksum, Content, Data, Etag, NamedBy, ObjectRecord, RepairRecord, Retention,
};
use crate::store::Write;
use crate::usage::Usage;
use couronne_base::mutant;

/// What a put says of the object.
pub(super) struct NewObject<'a> {
    pub(super) data: &'a NewData,
    pub(super) size: u64,
    pub(super) etag: &'a Etag,
    pub(super) checksum: &'a Option<Checksum>,
    pub(super) attributes: &'a Attributes,
    pub(super) condition: &'a Precondition,
}

impl Evaluation<'_> {
    pub(super) fn put_object(&mut self, rules: &BucketRules, new: NewObject<'_>) -> Result<Outcome, Stop> {
        let attributes = self.locked_attributes(rules, new.attributes)?;
        let current = self.current()?;
        condition::check(new.condition, current.as_deref())?;
        let new_version = self.make_new_version(rules, current)?;
        let payload_row = key::of_payload(self.bucket(), &self.request.key, new_version.ordinal);
        let data = self.admit(new.data, new.size, payload_row, NamedBy::Version(new_version.ordinal))?;
        self.tally.add(&attributes, Usage { bytes: bytes_delta(new.size), ..Usage::default() });
        self.set_current(&ObjectRecord {
            ordinal: new_version.ordinal,
            version: new_version.version,
            commit: self.request.commit,
            etag: *new.etag,
            size: new.size,
            content: Content::Whole(data),
            attributes,
            checksum: new.checksum.clone(),
        });
        Ok(Outcome::Put { ordinal: new_version.ordinal, version: new_version.version })
    }

    /// The attributes of a new version: the bucket's default retention is added if none was asked for.
    pub(super) fn locked_attributes(&self, rules: &BucketRules, asked: &Attributes) -> Result<Attributes, Stop> {
        let mut attributes = asked.clone();
        let Some(default) = rules.object_lock else {
            let asks_for_lock = attributes.ask_for_lock();
            return if asks_for_lock { Err(Refusal::Invalid(InvalidReason::NoLock).into()) } else { Ok(attributes) };
        };
        if let (None, Some((compliance, for_ms))) = (attributes.retention, default) {
            // From the later of both times: were the cluster time to catch up, the lock would end early.
            let from_ms = self.now_ms().max(self.cluster_ms);
            attributes.retention = Some(Retention { compliance, until_ms: from_ms.saturating_add(for_ms) });
        }
        Ok(attributes)
    }

    /// Takes new bytes: inline ones into their row, a blob by name unless it may not be named.
    pub(super) fn admit(
        &mut self,
        data: &NewData,
        size: u64,
        payload_row: bytes::Bytes,
        by: NamedBy,
    ) -> Result<Data, Stop> {
        match data {
            NewData::Inline(bytes, crc64) => {
                let len = u32::try_from(bytes.len()).ok().filter(|len| u64::from(*len) == size);
                let len = len.ok_or(Refusal::Invalid(InvalidReason::SizesDiffer))?;
                self.effect.writes.push(Write::Put { key: payload_row, value: bytes.clone() });
                Ok(Data::Inline { len, crc64: *crc64 })
            }
            NewData::Blob(blob, missing, placed_by) => {
                check_blob(blob, size, *missing)?;
                self.name_blob(blob, by)?;
                // A drive may have lost what it was sent before, and the sweep for that may have passed.
                let is_behind = self.watermarks.swept_past(*placed_by) && !mutant!(CommitBehindSweep);
                // What was acknowledged can be read: no word of a gateway's puts it before what is nearly lost.
                let missing = (*missing).min(blob.geometry.m().max(1)).max(u8::from(is_behind));
                if missing > 0 && !mutant!(NoRepairRow) {
                    self.ask_for_repair(blob, missing);
                }
                Ok(Data::Blob(blob.clone()))
            }
        }
    }

    fn ask_for_repair(&mut self, blob: &BlobRef, missing: u8) {
        let (bucket, key) = (self.bucket(), self.request.key.clone());
        let record = RepairRecord {
            since_ms: Some(self.now_ms()),
            found: 0,
            ..RepairRecord::new(blob.clone(), bucket, key, missing)
        };
        self.put_row(key::of_blob(RowKind::Repair, blob.id), &record);
    }
}

/// Checks what a gateway says of a blob: sizes are added up, and duties look at every chunk.
fn check_blob(blob: &BlobRef, size: u64, missing: u8) -> Result<(), Refusal> {
    let is_too_large = blob.len > BLOB_BYTES_MAX || u32::try_from(blob.geometry.chunks(blob.len)).is_err();
    if blob.len != size || is_too_large {
        return Err(Refusal::Invalid(InvalidReason::SizesDiffer));
    }
    let is_possible = missing <= blob.geometry.shards();
    if is_possible { Ok(()) } else { Err(Refusal::Invalid(InvalidReason::TooManyMissing)) }
}

/// A size as counters add it.
pub(super) fn bytes_delta(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
