//! The three listings: current objects, versions, open uploads.

use bytes::Bytes;

use super::object::null_ordinal;
use super::page::{Interval, Source, fill};
use crate::encoding::ListedObject;
use crate::ids::{BucketId, ObjectKey, Ordinal, UploadId, VersionId};
use crate::key::{self, RowKind};
use crate::query::{ListQuery, Page};
use crate::record::{ObjectRecord, UploadRecord, VersionRecord};
use crate::store::{Cursor, Row, StoreError, View};
use couronne_base::codec;

/// A page of current objects. Their metadata, tags and locks are left out: see [`ListedObject`].
pub(super) fn objects(
    view: &dyn View,
    bucket: BucketId,
    list: &ListQuery,
) -> Result<Page<Box<ObjectRecord>>, StoreError> {
    let decode: Decode<Box<ObjectRecord>> = |_, value| Ok(Box::new(codec::decode::<ListedObject>(value)?.into()));
    fill(list, &mut ListedRows::open(view, RowKind::Current, bucket, list, decode))
}

/// A page of open uploads, per key in the order of their creation. Forward only.
pub(super) fn uploads(
    view: &dyn View,
    bucket: BucketId,
    list: &ListQuery,
    after_upload: Option<UploadId>,
) -> Result<Page<(UploadId, UploadRecord)>, StoreError> {
    let list = &forward(list);
    let mut rows = ListedRows::open(view, RowKind::Upload, bucket, list, |suffix, value| {
        let id = suffix.try_into().map_err(|_| codec::Corrupt("row key of an upload has a wrong length"))?;
        Ok((UploadId::from_bytes(id), codec::decode(value)?))
    });
    if let (Some(upload), Ok(key)) = (after_upload, ObjectKey::new(list.after.clone())) {
        let row = key::of_upload(RowKind::Upload, bucket, &key, upload);
        rows.reopen_from(view, bucket, list, key::successor(&row));
    }
    fill(list, &mut rows)
}

/// A page of versions and delete markers, newest first within a key. Forward only.
pub(super) fn versions(
    view: &dyn View,
    bucket: BucketId,
    list: &ListQuery,
    after_version: Option<VersionId>,
) -> Result<Page<(VersionRecord, bool)>, StoreError> {
    let list = &forward(list);
    let decode: Decode<VersionRecord> = |_, value| Ok(codec::decode(value)?);
    let mut current = ListedRows::open(view, RowKind::Current, bucket, list, |_, value| {
        Ok(VersionRecord::Object(codec::decode(value)?))
    });
    let mut noncurrent = ListedRows::open(view, RowKind::Version, bucket, list, decode);
    let mut seen = None;
    if let (Some(version), Ok(key)) = (after_version, ObjectKey::new(list.after.clone())) {
        let start = match place(view, bucket, &key, version)? {
            Place::Noncurrent(ordinal) => {
                seen = Some(key.clone());
                key::successor(&key::of_version(bucket, &key, ordinal))
            }
            // It was the newest, or it is gone and its place with it: all that stands below is still to be told.
            Place::Current => {
                seen = Some(key.clone());
                key::of_key(RowKind::Version, bucket, &key)
            }
            Place::Gone => {
                current.reopen_from(view, bucket, list, key::of_key(RowKind::Current, bucket, &key));
                key::of_key(RowKind::Version, bucket, &key)
            }
        };
        noncurrent.reopen_from(view, bucket, list, start);
    }
    fill(list, &mut Versions { current: Ahead::new(current), noncurrent: Ahead::new(noncurrent), seen })
}

fn forward(list: &ListQuery) -> ListQuery {
    ListQuery { reverse: false, ..list.clone() }
}

enum Place {
    Current,
    Noncurrent(Ordinal),
    Gone,
}

fn place(view: &dyn View, bucket: BucketId, key: &ObjectKey, version: VersionId) -> Result<Place, StoreError> {
    let current: Option<ObjectRecord> = super::load(view, &key::of_key(RowKind::Current, bucket, key))?;
    let newest = current.as_ref().map(|current| current.ordinal);
    if current.is_some_and(|current| current.version == version) {
        return Ok(Place::Current);
    }
    let ordinal = match version {
        VersionId::Ordinal(ordinal) => Some(ordinal),
        VersionId::Null => null_ordinal(view, bucket, key)?,
    };
    // A current version below the one asked for was promoted since: it has not been told either.
    let ordinal = ordinal.filter(|ordinal| newest.is_none_or(|newest| newest > *ordinal));
    Ok(ordinal.map_or(Place::Gone, Place::Noncurrent))
}

/// Turns a row's suffix and value into an item.
type Decode<T> = fn(&[u8], &Bytes) -> Result<T, StoreError>;

/// ListedRows of one kind.
struct ListedRows<'a, T> {
    cursor: Box<dyn Cursor + 'a>,
    kind: RowKind,
    bucket: BucketId,
    reverse: bool,
    decode: Decode<T>,
}

impl<'a, T> ListedRows<'a, T> {
    fn open(view: &'a dyn View, kind: RowKind, bucket: BucketId, list: &ListQuery, decode: Decode<T>) -> Self {
        let interval = Interval::of(kind, bucket, list);
        let (start, end) = interval.bounds();
        Self { cursor: view.scan(start, end, list.reverse), kind, bucket, reverse: list.reverse, decode }
    }

    /// Begins again at `row`, within the prefix and before the listing's end: inside the key `after`.
    fn reopen_from(&mut self, view: &'a dyn View, bucket: BucketId, list: &ListQuery, row: Bytes) {
        let unbounded = ListQuery { after: Bytes::new(), ..list.clone() };
        let mut interval = Interval::of(self.kind, bucket, &unbounded);
        interval.raise_start(row);
        let (start, end) = interval.bounds();
        self.cursor = view.scan(start, end, list.reverse);
    }
}

impl<T> Source for ListedRows<'_, T> {
    type Item = T;

    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        self.cursor.next()
    }

    fn item(&mut self, _: &ObjectKey, suffix: &[u8], value: &Bytes) -> Result<T, StoreError> {
        (self.decode)(suffix, value)
    }

    fn skip(&mut self, prefix: &[u8]) -> Result<(), StoreError> {
        if self.reverse {
            self.cursor.seek(&key::of_prefix(self.kind, self.bucket, prefix))
        } else {
            self.cursor.seek(&key::end_of_prefix(self.kind, self.bucket, prefix))
        }
    }
}

/// ListedRows with one row of foresight.
struct Ahead<'a> {
    rows: ListedRows<'a, VersionRecord>,
    next: Option<Option<Row>>,
}

impl<'a> Ahead<'a> {
    const fn new(rows: ListedRows<'a, VersionRecord>) -> Self {
        Self { rows, next: None }
    }

    fn peek(&mut self) -> Result<Option<&Row>, StoreError> {
        if self.next.is_none() {
            self.next = Some(self.rows.next()?);
        }
        Ok(self.next.as_ref().and_then(Option::as_ref))
    }

    fn take(&mut self) -> Option<Row> {
        self.next.take().flatten()
    }

    fn skip(&mut self, prefix: &[u8]) -> Result<(), StoreError> {
        self.next = None;
        self.rows.skip(prefix)
    }
}

/// Current and noncurrent rows merged: by key, then the current one first.
struct Versions<'a> {
    current: Ahead<'a>,
    noncurrent: Ahead<'a>,
    /// The key whose newest version was seen.
    seen: Option<ObjectKey>,
}

impl Source for Versions<'_> {
    type Item = (VersionRecord, bool);

    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        let current = self.current.peek()?.map(|(row, _)| row.slice(1..));
        // A current row's key has no suffix, so it sorts before the version rows of its key.
        let noncurrent_first = match (current, self.noncurrent.peek()?) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(current), Some((row, _))) => row.slice(1..) < current,
        };
        Ok(if noncurrent_first { self.noncurrent.take() } else { self.current.take() })
    }

    fn item(&mut self, key: &ObjectKey, suffix: &[u8], value: &Bytes) -> Result<Self::Item, StoreError> {
        let newest = self.seen.as_ref() != Some(key);
        self.seen = Some(key.clone());
        let rows = if suffix.is_empty() { &mut self.current.rows } else { &mut self.noncurrent.rows };
        Ok((rows.item(key, suffix, value)?, newest))
    }

    fn skip(&mut self, prefix: &[u8]) -> Result<(), StoreError> {
        self.current.skip(prefix)?;
        self.noncurrent.skip(prefix)
    }
}
