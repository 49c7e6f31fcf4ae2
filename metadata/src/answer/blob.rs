//! What the duties ask: whether a row names a blob, what is to be reaped and repaired, which blobs there are.

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;
use couronne_placement::BlobId;

use super::load;
use crate::ids::{BucketId, ObjectKey};
use crate::key::{self, RowKind};
use crate::query::{Ownership, PAGE_ENTRIES_MAX};
use crate::record::{
    BlobRef, BucketRules, Content, Data, ObjectRecord, PartRecord, ReapRecord, ReapTarget, RepairRecord, VersionRecord,
};
use crate::store::{Cursor, Row, StoreError, View};
use crate::watermarks::Watermarks;
use couronne_base::codec;
use couronne_base::mutant;

/// Rows examined for one page of blobs at most, so that a page stays bounded where rows name none;
/// also about how many blobs of uploads one page of reap rows names.
const EXAMINED_MAX: usize = 20_000;

/// Whether the blob is owned. No is said only of blobs born before the disown horizon, of a bucket that
/// the range knows, and never while a reap row names the blob: its readers have until that is due.
pub(super) fn owns(view: &dyn View, bucket: BucketId, key: &ObjectKey, blob: BlobId) -> Result<Ownership, StoreError> {
    if names_blob(view, bucket, key, blob)? {
        return Ok(Ownership::Owned);
    }
    let old = mutant!(DisownYoung) || Watermarks::load(view)?.disowns(blob);
    let pending_delete = view.get(&key::of_blob(RowKind::PendingDelete, blob))?.is_some();
    let rules: Option<BucketRules> = load(view, &key::of_bucket(RowKind::Rules, bucket))?;
    Ok(if old && !pending_delete && rules.is_some() { Ownership::Disowned } else { Ownership::Unknown })
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

/// Blobs that the range's rows name, key by key. A blob's row may change its kind (the newest version of a key
/// becomes its current object) but never its key, so a page ends between keys: what a row names all the time is on
/// one of the pages. Only a key with very many rows goes on on the next one.
pub(super) fn named(view: &dyn View, after: &Bytes, limit: u32) -> Result<Blobs, StoreError> {
    let (mut blobs, mut examined, mut of_key) = (Vec::new(), 0, 0);
    let mut rows = NamingRows::after(view, after)?;
    let mut last: Option<(Bytes, (BucketId, ObjectKey))> = None;
    while let Some((row, value)) = rows.next()? {
        let (bucket, key, _) = key::parse(&row)?;
        let owner = (bucket, key);
        let is_full = blobs.len() >= page(limit) || examined >= EXAMINED_MAX;
        if let Some((row, before)) = last {
            of_key = if before == owner { of_key + 1 } else { 0 };
            if is_full && (of_key == 0 || of_key >= EXAMINED_MAX) {
                return Ok((blobs, Some(row)));
            }
        }
        let kind = NAMING.into_iter().find(|kind| row.first() == Some(&(*kind as u8)));
        if let Some(blob) = kind.map_or(Ok(None), |kind| blob_of(kind, &value))? {
            blobs.push((owner.0, owner.1.clone(), blob));
        }
        examined += 1;
        last = Some((row, owner));
    }
    Ok((blobs, None))
}

/// The rows that name blobs, in the order of their keys, whatever their kinds.
struct NamingRows<'a> {
    cursors: Vec<(Box<dyn Cursor + 'a>, Option<Row>)>,
}

impl<'a> NamingRows<'a> {
    /// The rows after one, or all.
    fn after(view: &'a dyn View, after: &Bytes) -> Result<Self, StoreError> {
        let mut cursors = Vec::new();
        for kind in NAMING {
            let at = key::of_range(kind, after.get(1..).unwrap_or_default());
            // Of rows that differ in nothing but their kind, the lower kind is first.
            let start = if after.first() >= at.first() { Bound::Excluded(&at[..]) } else { Bound::Included(&at[..]) };
            let mut cursor = view.scan(start, Bound::Excluded(&key::end_of_kind(kind)), false);
            let first = cursor.next()?;
            cursors.push((cursor, first));
        }
        Ok(Self { cursors })
    }

    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        fn rest(next: &Option<Row>) -> Option<&[u8]> {
            next.as_ref().and_then(|(row, _)| row.get(1..))
        }
        // They stand in the order of their kinds, and the first of equals is taken.
        let first = self.cursors.iter_mut().filter(|(_, next)| next.is_some());
        let first = first.min_by(|(_, one), (_, other)| rest(one).cmp(&rest(other)));
        let Some((cursor, next)) = first else { return Ok(None) };
        Ok(std::mem::replace(next, cursor.next()?))
    }
}

fn page(limit: u32) -> usize {
    usize::try_from(limit.clamp(1, PAGE_ENTRIES_MAX)).unwrap_or(1)
}
