//! The names of blobs: in the rows of a replica each blob is named by one row, of the key that its id is bound to, and its
//! own row says which; what is to be deleted is named by none.
//!
//! Must not know: what the drives hold.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use couronne_base::codec::{self, Corrupt};
use couronne_metadata::ids::{self, BucketId, ObjectKey, UploadId};
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::record::{
    BlobState, Content, Data, NamedBy, ObjectRecord, PartRecord, ReapRecord, ReapTarget, VersionRecord,
};
use couronne_metadata::store::{Row, StoreError, View};
use couronne_placement::BlobId;

/// Which row names a blob.
type Naming = (BucketId, ObjectKey, NamedBy);

type Names = BTreeMap<BlobId, Naming>;

/// What is wrong with the names of blobs in a replica's rows.
pub(super) fn check_names(view: &dyn View) -> Result<Vec<String>, StoreError> {
    let mut wrong = Vec::new();
    let mut named = Names::new();
    for (blob, owner) in naming_rows(view)? {
        if !ids::is_bound(blob, owner.0, &owner.1) {
            wrong.push(format!("{owner:?} names another key's blob {blob}"));
        }
        if let Some(other) = named.insert(blob, owner.clone()) {
            wrong.push(format!("{blob} is named twice: by {other:?} and {owner:?}"));
        }
    }
    let mut told = Names::new();
    let mut going = Vec::new();
    for (row, value) in rows(view, RowKind::Blob)? {
        let blob = key::blob_of(&row)?;
        match decode(&value)? {
            BlobState::Named(by) => drop(told.insert(blob, (by.bucket, by.key, by.by))),
            BlobState::PendingDelete | BlobState::Abandoned => going.push(blob),
        }
    }
    let differs = |of: &Names, by: &Names| -> Vec<BlobId> {
        of.iter().filter(|(blob, owner)| by.get(blob) != Some(owner)).map(|(blob, _)| *blob).collect()
    };
    wrong.extend(differs(&named, &told).iter().map(|blob| format!("{blob} is named, and its row does not say so")));
    wrong.extend(differs(&told, &named).iter().map(|blob| format!("{blob} is not named, and its row says that it is")));
    let reaped = reaped(view)?;
    let lost = going.iter().filter(|blob| !reaped.contains(blob));
    wrong.extend(lost.map(|blob| format!("{blob} was dropped, and nobody reaps it")));
    Ok(wrong)
}

/// Every row that names a blob: the blob, and which row it is.
fn naming_rows(view: &dyn View) -> Result<Vec<(BlobId, Naming)>, StoreError> {
    let mut named = Vec::new();
    let mut add = |row: &Bytes, data: &Data, by: NamedBy| -> Result<(), StoreError> {
        if let Data::Blob(blob) = data {
            let (bucket, key, _) = key::parse(row)?;
            named.push((blob.id, (bucket, key, by)));
        }
        Ok(())
    };
    for (row, value) in rows(view, RowKind::Current)? {
        let object: ObjectRecord = decode(&value)?;
        if let Content::Whole(data) = &object.content {
            add(&row, data, NamedBy::Version(object.ordinal))?;
        }
    }
    for (row, value) in rows(view, RowKind::Version)? {
        if let VersionRecord::Object(object) = decode(&value)?
            && let Content::Whole(data) = &object.content
        {
            add(&row, data, NamedBy::Version(object.ordinal))?;
        }
    }
    for (row, value) in rows(view, RowKind::Part)? {
        let (_, _, suffix) = key::parse(&row)?;
        let upload =
            suffix.first_chunk().copied().map(UploadId::from_bytes).ok_or(Corrupt("a part's row names no upload"))?;
        let part: PartRecord = decode(&value)?;
        add(&row, &part.data, NamedBy::Part { upload, number: part.number })?;
    }
    Ok(named)
}

/// What reap rows name, but for uploads, whose parts' rows outlast them.
fn reaped(view: &dyn View) -> Result<Vec<BlobId>, StoreError> {
    let mut reaped = Vec::new();
    for (_, value) in rows(view, RowKind::Reap)? {
        match decode::<ReapRecord>(&value)?.target {
            ReapTarget::Blob(blob) => reaped.push(blob.id),
            ReapTarget::Parts { blobs, .. } => reaped.extend(blobs.into_iter().map(|blob| blob.id)),
            ReapTarget::Upload(_) => {}
        }
    }
    Ok(reaped)
}

fn rows(view: &dyn View, kind: RowKind) -> Result<Vec<Row>, StoreError> {
    let (start, end) = (key::of_range(kind, &[]), key::end_of_kind(kind));
    let mut cursor = view.scan(Bound::Included(&start), Bound::Excluded(&end), false);
    let mut rows = Vec::new();
    while let Some(row) = cursor.next()? {
        rows.push(row);
    }
    Ok(rows)
}

fn decode<T: codec::Value>(value: &Bytes) -> Result<T, StoreError> {
    Ok(codec::decode(value)?)
}
