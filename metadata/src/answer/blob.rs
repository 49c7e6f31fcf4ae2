//! What the duties ask: whether a row names a blob, what is to be reaped and repaired, which blobs there are.

use std::ops::Bound;

use bytes::Bytes;
use couronne_placement::BlobId;

use super::load;
use crate::ids::{BucketId, ObjectKey, UploadId};
use crate::key::{self, RowKind};
use crate::query::{Ownership, PAGE_ENTRIES_MAX};
use crate::record::{BlobRef, BlobState, Data, NamedBlob, NamedBy, PartRecord, ReapRecord, ReapTarget, RepairRecord};
use crate::store::{Cursor, StoreError, View};
use crate::watermarks::Watermarks;
use couronne_base::codec;
use couronne_base::mutant;

/// Rows examined for one page of blobs at most, so that a page stays bounded where rows name none;
/// also about how many blobs of uploads one page of reap rows names.
const EXAMINED_MAX: usize = 20_000;

/// Whether the blob is owned: its one row says. Without one no is said only of blobs born before the disown horizon, of
/// a bucket that the range knows, or knew before it was deleted.
pub(crate) fn owns(view: &dyn View, bucket: BucketId, key: &ObjectKey, blob: BlobId) -> Result<Ownership, StoreError> {
    match load(view, &key::of_blob(RowKind::Blob, blob))? {
        Some(BlobState::Named(named)) if named.bucket != bucket || named.key != *key => Ok(Ownership::Unknown),
        Some(BlobState::Named(named)) => {
            let is_named = match named.by {
                NamedBy::Version(_) => true,
                // The rows of a dropped upload's parts outlast it until they are reaped.
                NamedBy::Part { upload, .. } => is_upload(view, bucket, key, upload)?,
            };
            Ok(if is_named { Ownership::Owned } else { Ownership::Dropped })
        }
        Some(BlobState::PendingDelete | BlobState::Abandoned) => Ok(Ownership::Dropped),
        None => {
            let is_old = mutant!(DisownYoung) || Watermarks::load(view)?.disowns(blob);
            Ok(if is_old && knows(view, bucket)? { Ownership::Disowned } else { Ownership::Unknown })
        }
    }
}

/// Whether the range holds the bucket, or held it before it was deleted: ids are never given again.
fn knows(view: &dyn View, bucket: BucketId) -> Result<bool, StoreError> {
    for kind in [RowKind::Rules, RowKind::DroppedBucket] {
        if view.get(&key::of_bucket(kind, bucket))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an upload is open, or an object was made of it that is still there.
pub(crate) fn is_upload(
    view: &dyn View,
    bucket: BucketId,
    key: &ObjectKey,
    upload: UploadId,
) -> Result<bool, StoreError> {
    let is_completed = view.get(&key::of_upload(RowKind::Completed, bucket, key, upload))?.is_some();
    Ok(is_completed || is_upload_open(view, bucket, key, upload)?)
}

/// Whether an upload is open.
pub(super) fn is_upload_open(
    view: &dyn View,
    bucket: BucketId,
    key: &ObjectKey,
    upload: UploadId,
) -> Result<bool, StoreError> {
    Ok(view.get(&key::of_upload(RowKind::Upload, bucket, key, upload))?.is_some())
}

/// Reap rows due by `now_ms`, each with its name and, for an upload or some of its parts, the parts' blobs.
pub(super) fn due(
    view: &dyn View,
    now_ms: u64,
    limit: u32,
) -> Result<Vec<(Bytes, ReapRecord, Vec<BlobRef>)>, StoreError> {
    let now_ms = if mutant!(ReapAtOnce) { u64::MAX } else { now_ms };
    let start = key::of_range(RowKind::Reap, &[]);
    let end = key::of_range(RowKind::Reap, &now_ms.saturating_add(1).to_be_bytes());
    let mut cursor = view.scan(Bound::Included(&start), Bound::Excluded(&end), false);
    let (mut rows, mut named) = (Vec::new(), 0);
    while rows.len() < page(limit) && named < EXAMINED_MAX {
        let Some((row, value)) = cursor.next()? else { break };
        let record: ReapRecord = codec::decode(&value)?;
        let blobs = match &record.target {
            ReapTarget::Blob(_) => Vec::new(),
            ReapTarget::Parts { blobs, .. } => blobs.clone(),
            ReapTarget::Upload(upload) => blobs_of_upload(view, record.bucket, &record.key, *upload)?,
        };
        named += blobs.len();
        rows.push((row.slice(1..), record, blobs));
    }
    Ok(rows)
}

/// The blobs that the rows of an upload's parts name.
pub(crate) fn blobs_of_upload(
    view: &dyn View,
    bucket: BucketId,
    key: &ObjectKey,
    upload: UploadId,
) -> Result<Vec<BlobRef>, StoreError> {
    let start = key::of_upload(RowKind::Part, bucket, key, upload);
    let end = key::end_of_upload(RowKind::Part, bucket, key, upload);
    let mut cursor = view.scan(Bound::Included(&start), Bound::Excluded(&end), false);
    let mut blobs = Vec::new();
    while let Some((_, value)) = cursor.next()? {
        if let Data::Blob(blob) = codec::decode::<PartRecord>(&value)?.data {
            blobs.push(blob);
        }
    }
    Ok(blobs)
}

/// Repair rows after a blob.
pub(super) fn repairs(view: &dyn View, after: Option<BlobId>, limit: u32) -> Result<Vec<RepairRecord>, StoreError> {
    let mut cursor = rows_after(view, RowKind::Repair, after);
    let mut rows = Vec::new();
    while rows.len() < page(limit) {
        let Some((_, value)) = cursor.next()? else { break };
        rows.push(codec::decode(&value)?);
    }
    Ok(rows)
}

/// A page of named blobs, and the blob to go on after.
type Blobs = (Vec<(BucketId, ObjectKey, BlobRef)>, Option<BlobId>);

/// Blobs that rows name, in the order of their ids: a blob's row is in its place for as long as the blob is named, so a
/// page may end at any of them.
pub(super) fn named(view: &dyn View, after: Option<BlobId>, limit: u32) -> Result<Blobs, StoreError> {
    let mut cursor = rows_after(view, RowKind::Blob, after);
    let (mut blobs, mut examined, mut last) = (Vec::new(), 0, None);
    while let Some((row, value)) = cursor.next()? {
        if blobs.len() >= page(limit) || examined >= EXAMINED_MAX {
            return Ok((blobs, last));
        }
        if let BlobState::Named(named) = codec::decode(&value)? {
            let NamedBlob { blob, bucket, key, .. } = *named;
            blobs.push((bucket, key, blob));
        }
        last = Some(key::blob_of(&row)?);
        examined += 1;
    }
    Ok((blobs, None))
}

/// The rows of a kind that has one a blob, behind a blob.
pub(super) fn rows_after(view: &dyn View, kind: RowKind, after: Option<BlobId>) -> Box<dyn Cursor + '_> {
    let start = match after {
        Some(blob) => Bound::Excluded(key::of_blob(kind, blob)),
        None => Bound::Included(key::of_range(kind, &[])),
    };
    let end = key::end_of_kind(kind);
    view.scan(start.as_ref().map(|row| &row[..]), Bound::Excluded(&end), false)
}

pub(super) fn page(limit: u32) -> usize {
    usize::try_from(limit.clamp(1, PAGE_ENTRIES_MAX)).unwrap_or(1)
}
