//! One version of a key, and the parts of an upload.

use std::ops::Bound;

use bytes::Bytes;

use super::load;
use crate::ids::{BucketId, ObjectKey, Ordinal, PartNumber, UploadId, VersionId};
use crate::key::{self, RowKind};
use crate::record::{Content, Data, ObjectRecord, PartRecord, VersionRecord};
use crate::store::{StoreError, View};
use couronne_base::codec;

/// The version and its inline bytes. Without a version: the current object, or the delete marker
/// that hides the key.
pub(super) fn get(
    view: &dyn View,
    bucket: BucketId,
    key: &ObjectKey,
    version: Option<VersionId>,
) -> Result<Option<(VersionRecord, Option<Bytes>)>, StoreError> {
    let current: Option<Box<ObjectRecord>> = load(view, &key::of_key(RowKind::Current, bucket, key))?;
    let found = match (current, version) {
        (Some(current), None) => Some(VersionRecord::Object(current)),
        (Some(current), Some(version)) if current.version == version => Some(VersionRecord::Object(current)),
        (_, Some(version)) => noncurrent(view, bucket, key, version)?,
        (None, None) => newest_noncurrent(view, bucket, key)?,
    };
    let Some(record) = found else { return Ok(None) };
    let payload = match &record {
        VersionRecord::Object(object) => payload(view, bucket, key, object)?,
        VersionRecord::DeleteMarker { .. } => None,
    };
    Ok(Some((record, payload)))
}

fn payload(
    view: &dyn View,
    bucket: BucketId,
    key: &ObjectKey,
    object: &ObjectRecord,
) -> Result<Option<Bytes>, StoreError> {
    let Content::Whole(Data::Inline { .. }) = object.content else { return Ok(None) };
    match view.get(&key::of_payload(bucket, key, object.ordinal))? {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(StoreError::Corrupt("an object's payload row is missing".to_owned())),
    }
}

/// The ordinal of the `null` version while it is not current.
pub(super) fn null_ordinal(view: &dyn View, bucket: BucketId, key: &ObjectKey) -> Result<Option<Ordinal>, StoreError> {
    load(view, &key::of_key(RowKind::NullPointer, bucket, key))
}

fn noncurrent(
    view: &dyn View,
    bucket: BucketId,
    key: &ObjectKey,
    version: VersionId,
) -> Result<Option<VersionRecord>, StoreError> {
    let ordinal = match version {
        VersionId::Ordinal(ordinal) => Some(ordinal),
        VersionId::Null => null_ordinal(view, bucket, key)?,
    };
    let Some(ordinal) = ordinal else { return Ok(None) };
    let record: Option<VersionRecord> = load(view, &key::of_version(bucket, key, ordinal))?;
    Ok(record.filter(|record| record.version() == version))
}

fn newest_noncurrent(view: &dyn View, bucket: BucketId, key: &ObjectKey) -> Result<Option<VersionRecord>, StoreError> {
    let start = key::of_key(RowKind::Version, bucket, key);
    let end = key::end_of_key(RowKind::Version, bucket, key);
    let row = view.scan(Bound::Included(&start), Bound::Excluded(&end), false).next()?;
    Ok(row.map(|(_, bytes)| codec::decode(&bytes)).transpose()?)
}

/// Parts with a number above `after`, and whether more follow. They are found as long as their rows
/// stand, so that a reader that began before the object was replaced can finish; `None` only if there
/// is neither part nor open upload.
pub(super) fn parts(
    view: &dyn View,
    bucket: BucketId,
    key: &ObjectKey,
    upload: UploadId,
    after: u16,
    limit: u16,
) -> Result<Option<(Vec<PartRecord>, bool)>, StoreError> {
    let start = match PartNumber::new(after.min(PartNumber::MAX)) {
        Some(number) => Bound::Excluded(key::of_part(RowKind::Part, bucket, key, upload, number)),
        None => Bound::Included(key::of_upload(RowKind::Part, bucket, key, upload)),
    };
    let end = key::end_of_upload(RowKind::Part, bucket, key, upload);
    let mut cursor = view.scan(start.as_ref().map(|row| &row[..]), Bound::Excluded(&end), false);
    let mut parts = Vec::new();
    while let Some((_, bytes)) = cursor.next()? {
        if parts.len() >= usize::from(limit) {
            return Ok(Some((parts, true)));
        }
        parts.push(codec::decode(&bytes)?);
    }
    if parts.is_empty() && after == 0 && view.get(&key::of_upload(RowKind::Upload, bucket, key, upload))?.is_none() {
        return Ok(None);
    }
    Ok(Some((parts, false)))
}
