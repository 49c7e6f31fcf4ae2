//! Repair rows with what names their blobs: for an operator who asks which objects lack shards.
//!
//! Promises: a page reads a few rows for each repair row in it, and goes through nothing else; what nothing names any
//! more is not in it.
//! Must not know: drives, and what repair found there.

use couronne_base::codec;
use couronne_placement::BlobId;

use super::blob::{is_upload_open, page, rows_after};
use super::load;
use crate::ids::{BucketId, ObjectKey, Ordinal, VersionId};
use crate::key::{self, RowKind};
use crate::query::UnrepairedBlob;
use crate::record::{BlobState, NamedBy, ObjectRecord, RepairRecord, VersionRecord};
use crate::store::{StoreError, View};

/// Blobs whose repair rows come after one, and the blob to go on after.
pub(super) fn unrepaired(
    view: &dyn View,
    after: Option<BlobId>,
    limit: u32,
) -> Result<(Vec<UnrepairedBlob>, Option<BlobId>), StoreError> {
    let mut cursor = rows_after(view, RowKind::Repair, after);
    let (mut blobs, mut last, mut examined) = (Vec::new(), None, 0);
    while let Some((_, value)) = cursor.next()? {
        if examined >= page(limit) {
            return Ok((blobs, last));
        }
        let row: RepairRecord = codec::decode(&value)?;
        last = Some(row.blob.id);
        examined += 1;
        blobs.extend(named(view, row)?);
    }
    Ok((blobs, None))
}

fn named(view: &dyn View, row: RepairRecord) -> Result<Option<UnrepairedBlob>, StoreError> {
    let (bucket, key) = (row.bucket, &row.key);
    let state: Option<BlobState> = load(view, &key::of_blob(RowKind::Blob, row.blob.id))?;
    let Some(BlobState::Named(named)) = state else { return Ok(None) };
    let version = match named.by {
        NamedBy::Version(ordinal) => version_of(view, bucket, key, ordinal)?,
        NamedBy::Part { upload, .. } => {
            let completed: Option<(Ordinal, bool)> =
                load(view, &key::of_upload(RowKind::Completed, bucket, key, upload))?;
            match completed {
                Some((_, true)) => Some(VersionId::Null),
                Some((ordinal, false)) => Some(VersionId::Ordinal(ordinal)),
                None if is_upload_open(view, bucket, key, upload)? => None,
                // It was dropped, and waits for the reaper.
                None => return Ok(None),
            }
        }
    };
    let bucket_name = load(view, &key::of_bucket(RowKind::BucketName, bucket))?;
    Ok(Some(UnrepairedBlob { row, by: named.by, version, bucket_name }))
}

/// How clients name the key's version of this ordinal.
fn version_of(
    view: &dyn View,
    bucket: BucketId,
    key: &ObjectKey,
    ordinal: Ordinal,
) -> Result<Option<VersionId>, StoreError> {
    let current: Option<ObjectRecord> = load(view, &key::of_key(RowKind::Current, bucket, key))?;
    if let Some(current) = current.filter(|current| current.ordinal == ordinal) {
        return Ok(Some(current.version));
    }
    let version: Option<VersionRecord> = load(view, &key::of_version(bucket, key, ordinal))?;
    Ok(version.map(|version| version.version()))
}
