//! Pages of system rows.

use std::ops::Bound;

use bytes::Bytes;

use super::page::Interval;
use crate::ids::{BucketId, ObjectKey};
use crate::key::{self, RowKind};
use crate::query::{ListQuery, PAGE_ENTRIES_MAX, SystemRow};
use crate::store::{StoreError, View};
use couronne_base::codec;

/// Rows whose keys begin with `prefix`, after `after`; and whether more follow.
pub(super) fn scan(
    view: &dyn View,
    bucket: BucketId,
    prefix: &Bytes,
    after: &Bytes,
    limit: u32,
) -> Result<(Vec<(ObjectKey, SystemRow)>, bool), StoreError> {
    let list = ListQuery {
        prefix: prefix.clone(),
        delimiter: Bytes::new(),
        after: after.clone(),
        before: Bytes::new(),
        reverse: false,
        limit,
    };
    let interval = Interval::of(RowKind::System, bucket, &list);
    let (start, end): (Bound<&[u8]>, Bound<&[u8]>) = interval.bounds();
    let mut cursor = view.scan(start, end, false);
    let limit = usize::try_from(limit.min(PAGE_ENTRIES_MAX)).unwrap_or_default();
    let mut rows = Vec::new();
    while let Some((row, value)) = cursor.next()? {
        if rows.len() >= limit {
            return Ok((rows, true));
        }
        let (_, key, _) = key::parse(&row)?;
        rows.push((key, codec::decode(&value)?));
    }
    Ok((rows, false))
}
