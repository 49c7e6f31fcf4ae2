//! What the duties ask: who owns a blob, what is to be reaped and repaired, which blobs there are.

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;
use couronne_placement::BlobId;

use super::load;
use crate::codec;
use crate::ids::{BucketId, ObjectKey};
use crate::key::{self, RowKind};
use crate::marks::Marks;
use crate::mistake::{Mistake, made};
use crate::query::{Ownership, PAGE_ENTRIES_MAX};
use crate::record::{
    BlobRef, BucketRules, Content, Data, ObjectRecord, PartRecord, ReapRecord, ReapTarget, RepairRecord, VersionRecord,
};
use crate::store::{StoreError, View};

/// Rows examined for one page of blobs at most, so that a page stays bounded where rows name none;
/// also about how many blobs of uploads one page of reap rows names.
const EXAMINED_MAX: usize = 20_000;

/// Whether the blob is owned. No is said only of blobs born before the disown horizon, of a bucket that
/// the range knows, and never while a reap row names the blob: its readers have until that is due.
pub(super) fn owns(view: &dyn View, bucket: BucketId, key: &ObjectKey, blob: BlobId) -> Result<Ownership, StoreError> {
    if names_blob(view, bucket, key, blob)? {
        return Ok(Ownership::Owned);
    }
    let old = made(Mistake::DisownYoung) || Marks::load(view)?.disowns(blob);
    let doomed = view.get(&key::of_blob(RowKind::Doomed, blob))?.is_some();
    let rules: Option<BucketRules> = load(view, &key::of_bucket(RowKind::Rules, bucket))?;
    Ok(if old && !doomed && rules.is_some() { Ownership::Disowned } else { Ownership::Unknown })
}

/// Whether a current, version or part row of the key names the blob.
pub(crate) fn names_blob(view: &dyn View, bucket: BucketId, key: &ObjectKey, blob: BlobId) -> Result<bool, StoreError> {
    for kind in NAMING {
        let (start, end) = (key::of_key(kind, bucket, key), key::end_of_key(kind, bucket, key));
        let mut cursor = view.scan(Bound::Included(&start), Bound::Excluded(&end), false);
        while let Some((_, value)) = cursor.next()? {
            if contains(&value, blob) && blob_of(kind, &value)?.is_some_and(|named| named.id == blob) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// All blobs that rows of the key name.
pub(crate) fn blobs_of(view: &dyn View, bucket: BucketId, key: &ObjectKey) -> Result<BTreeSet<BlobId>, StoreError> {
    let mut named = BTreeSet::new();
    for kind in NAMING {
        let blobs = blobs_between(view, kind, &key::of_key(kind, bucket, key), &key::end_of_key(kind, bucket, key))?;
        named.extend(blobs.into_iter().map(|blob| blob.id));
    }
    Ok(named)
}

/// The kinds of rows that name blobs.
const NAMING: [RowKind; 3] = [RowKind::Current, RowKind::Version, RowKind::Part];

/// Whether the id's bytes stand anywhere in the row: most rows need not be decoded to say no.
fn contains(value: &[u8], blob: BlobId) -> bool {
    value.windows(16).any(|window| window == blob.to_bytes())
}

fn blob_of(kind: RowKind, value: &Bytes) -> Result<Option<BlobRef>, StoreError> {
    let content = match kind {
        RowKind::Part => Content::Whole(codec::decode::<PartRecord>(value)?.data),
        RowKind::Current => codec::decode::<ObjectRecord>(value)?.content,
        _ => match codec::decode(value)? {
            VersionRecord::Object(object) => object.content,
            VersionRecord::DeleteMarker { .. } => return Ok(None),
        },
    };
    match content {
        Content::Whole(Data::Blob(blob)) => Ok(Some(blob)),
        Content::Whole(Data::Inline { .. }) | Content::Parts { .. } => Ok(None),
    }
}

/// Reap rows due by `now_ms`, each with its name and, for an upload, its parts' blobs.
pub(super) fn due(
    view: &dyn View,
    now_ms: u64,
    limit: u32,
) -> Result<Vec<(Bytes, ReapRecord, Vec<BlobRef>)>, StoreError> {
    let now_ms = if made(Mistake::ReapAtOnce) { u64::MAX } else { now_ms };
    let start = key::of_range(RowKind::Reap, &[]);
    let end = key::of_range(RowKind::Reap, &now_ms.saturating_add(1).to_be_bytes());
    let mut cursor = view.scan(Bound::Included(&start), Bound::Excluded(&end), false);
    let (mut rows, mut named) = (Vec::new(), 0);
    while rows.len() < page(limit) && named < EXAMINED_MAX {
        let Some((row, value)) = cursor.next()? else { break };
        let record: ReapRecord = codec::decode(&value)?;
        let blobs = match &record.target {
            ReapTarget::Blob(_) => Vec::new(),
            ReapTarget::Upload(upload) => {
                let start = key::of_upload(RowKind::Part, record.bucket, &record.key, *upload);
                let end = key::end_of_upload(RowKind::Part, record.bucket, &record.key, *upload);
                blobs_between(view, RowKind::Part, &start, &end)?
            }
        };
        named += blobs.len();
        rows.push((row.slice(1..), record, blobs));
    }
    Ok(rows)
}

fn blobs_between(view: &dyn View, kind: RowKind, start: &[u8], end: &[u8]) -> Result<Vec<BlobRef>, StoreError> {
    let mut cursor = view.scan(Bound::Included(start), Bound::Excluded(end), false);
    let mut blobs = Vec::new();
    while let Some((_, value)) = cursor.next()? {
        blobs.extend(blob_of(kind, &value)?);
    }
    Ok(blobs)
}

/// Repair rows after a blob.
pub(super) fn repairs(view: &dyn View, after: Option<BlobId>, limit: u32) -> Result<Vec<RepairRecord>, StoreError> {
    let start = match after {
        Some(blob) => Bound::Excluded(key::of_blob(RowKind::Repair, blob)),
        None => Bound::Included(key::of_range(RowKind::Repair, &[])),
    };
    let end = key::end_of_kind(RowKind::Repair);
    let mut cursor = view.scan(start.as_ref().map(|row| &row[..]), Bound::Excluded(&end), false);
    let mut rows = Vec::new();
    while rows.len() < page(limit) {
        let Some((_, value)) = cursor.next()? else { break };
        rows.push(codec::decode(&value)?);
    }
    Ok(rows)
}

/// A page of named blobs, and the row to go on after.
type Blobs = (Vec<(BucketId, ObjectKey, BlobRef)>, Option<Bytes>);

/// Blobs that the range's rows name: those of current objects, then of versions, then of parts; by key.
pub(super) fn named(view: &dyn View, after: &Bytes, limit: u32) -> Result<Blobs, StoreError> {
    let (mut blobs, mut examined) = (Vec::new(), 0);
    for kind in NAMING {
        let (first, end) = (key::of_range(kind, &[]), key::end_of_kind(kind));
        if *after >= end {
            continue;
        }
        let start = if *after > first { Bound::Excluded(&after[..]) } else { Bound::Included(&first[..]) };
        let mut cursor = view.scan(start, Bound::Excluded(&end), false);
        while let Some((row, value)) = cursor.next()? {
            if let Some(blob) = blob_of(kind, &value)? {
                let (bucket, key, _) = key::parse(&row)?;
                blobs.push((bucket, key, blob));
            }
            examined += 1;
            if blobs.len() >= page(limit) || examined >= EXAMINED_MAX {
                return Ok((blobs, Some(row)));
            }
        }
    }
    Ok((blobs, None))
}

fn page(limit: u32) -> usize {
    usize::try_from(limit.clamp(1, PAGE_ENTRIES_MAX)).unwrap_or(1)
}
