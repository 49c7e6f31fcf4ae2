//! Pages of a listing: prefix, delimiter, bounds and direction, over any rows that sort by key.
//!
//! A page costs one row or one seek per entry and one more, however many keys lie under a common
//! prefix and however many there are in the bucket.

use std::ops::Bound;

use bytes::Bytes;

use crate::ids::{BucketId, ObjectKey};
use crate::key::{self, RowKind};
use crate::query::{Entry, ListQuery, PAGE_ENTRIES_MAX, Page};
use crate::store::{Row, StoreError};

/// Rows in listing order.
pub(super) trait Source {
    /// What a row is turned into.
    type Item;

    /// The next row.
    fn next(&mut self) -> Result<Option<Row>, StoreError>;

    /// Decodes a row that made it to the page, given what follows the key in the row's key.
    fn item(&mut self, key: &ObjectKey, suffix: &[u8], value: &Bytes) -> Result<Self::Item, StoreError>;

    /// Goes past all keys that begin with `prefix`.
    fn skip(&mut self, prefix: &[u8]) -> Result<(), StoreError>;
}

/// Fills a page.
pub(super) fn fill<S: Source>(list: &ListQuery, source: &mut S) -> Result<Page<S::Item>, StoreError> {
    let limit = usize::try_from(list.limit.min(PAGE_ENTRIES_MAX)).unwrap_or_default();
    let mut entries = Vec::with_capacity(limit.min(1024));
    if limit == 0 {
        return Ok(Page { entries, truncated: false });
    }
    while let Some((row, value)) = source.next()? {
        if entries.len() >= limit {
            return Ok(Page { entries, truncated: true });
        }
        let (_, key, suffix) = key::parse(&row)?;
        match common_prefix(list, key.as_bytes()) {
            Some(prefix) => {
                source.skip(&prefix)?;
                entries.push(Entry::CommonPrefix(prefix));
            }
            None => {
                let item = source.item(&key, &suffix, &value)?;
                entries.push(Entry::Row(key, item));
            }
        }
    }
    Ok(Page { entries, truncated: false })
}

/// The stretch of a key up to the first delimiter after the prefix, if it is rolled up.
fn common_prefix(list: &ListQuery, key: &Bytes) -> Option<Bytes> {
    let rest = key.strip_prefix(&list.prefix[..])?;
    let at = find(rest, &list.delimiter)?;
    Some(key.slice(..list.prefix.len() + at + list.delimiter.len()))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => None,
        [byte] => haystack.iter().position(|candidate| candidate == byte),
        _ => haystack.windows(needle.len()).position(|window| window == needle),
    }
}

/// The interval of row keys of `kind` that a listing walks, and its direction.
pub(super) struct Interval {
    pub(super) start: Bound<Bytes>,
    pub(super) end: Bound<Bytes>,
}

impl Interval {
    /// All keys with the prefix, after `after` and before `before` in the listing's direction. An
    /// `after` that lies under a common prefix stands for all of it: that was listed before.
    pub(super) fn of(kind: RowKind, bucket: BucketId, list: &ListQuery) -> Self {
        let mut interval = Self {
            start: Bound::Included(key::of_prefix(kind, bucket, &list.prefix)),
            end: Bound::Excluded(key::end_of_prefix(kind, bucket, &list.prefix)),
        };
        let (first, last) = if list.reverse { (&list.before, &list.after) } else { (&list.after, &list.before) };
        if !first.is_empty() {
            let past = match common_prefix(list, first).filter(|_| !list.reverse) {
                Some(rolled) => key::end_of_prefix(kind, bucket, &rolled),
                None => end_of_bytes(kind, bucket, first),
            };
            interval.raise_start(past);
        }
        if !last.is_empty() {
            let until = match common_prefix(list, last).filter(|_| list.reverse) {
                Some(rolled) => key::of_prefix(kind, bucket, &rolled),
                None => key::of_prefix(kind, bucket, last),
            };
            interval.lower_end(until);
        }
        interval
    }

    /// Excludes what lies before `row`.
    pub(super) fn raise_start(&mut self, row: Bytes) {
        if let Bound::Included(start) = &mut self.start
            && *start < row
        {
            *start = row;
        }
    }

    fn lower_end(&mut self, row: Bytes) {
        if let Bound::Excluded(end) = &mut self.end
            && *end > row
        {
            *end = row;
        }
    }

    pub(super) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.start.as_ref().map(|row| &row[..]), self.end.as_ref().map(|row| &row[..]))
    }
}

/// Where the rows of exactly this key end, be it a legal key or not.
fn end_of_bytes(kind: RowKind, bucket: BucketId, bytes: &[u8]) -> Bytes {
    match ObjectKey::new(Bytes::copy_from_slice(bytes)) {
        Ok(key) => key::end_of_key(kind, bucket, &key),
        Err(_) => {
            let mut row = key::of_prefix(kind, bucket, bytes).to_vec();
            row.extend_from_slice(&[0, 1]);
            row.into()
        }
    }
}
