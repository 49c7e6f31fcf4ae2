//! Listings: pages over all ranges of a bucket, in key order.
//!
//! Each range lists what it owns; ranges are asked one after another until the page is full. From the
//! second on they are asked for what follows the last entry, so that a common prefix that lies in
//! several ranges is listed once.

mod walk;

use couronne_metadata::ids::{UploadId, VersionId};
use couronne_metadata::query::{Answer, Entry, ListQuery, PAGE_ENTRIES_MAX, Page, Query};
use couronne_metadata::record::{ObjectRecord, UploadRecord, VersionRecord};

use super::{Bucket, Engine, EngineError};
use walk::Walk;

impl Engine {
    /// A page of current objects.
    pub async fn list(&self, bucket: &Bucket, list: ListQuery) -> Result<Page<Box<ObjectRecord>>, EngineError> {
        let unpack = |answer| match answer {
            Answer::List(page) => Ok(page),
            _ => Err(EngineError::unexpected("List")),
        };
        self.pages(bucket, list, |list, _| Query::List(list), unpack).await
    }

    /// A page of versions and delete markers, newest first within a key; `true` marks a key's newest.
    /// `after_version` goes on within the key `list.after`.
    pub async fn list_versions(
        &self,
        bucket: &Bucket,
        list: ListQuery,
        after_version: Option<VersionId>,
    ) -> Result<Page<(VersionRecord, bool)>, EngineError> {
        let query = |list, first| Query::ListVersions { list, after_version: after_version.filter(|_| first) };
        let unpack = |answer| match answer {
            Answer::ListVersions(page) => Ok(page),
            _ => Err(EngineError::unexpected("ListVersions")),
        };
        self.pages(bucket, list, query, unpack).await
    }

    /// A page of open uploads. `after_upload` goes on within the key `list.after`.
    pub async fn list_uploads(
        &self,
        bucket: &Bucket,
        list: ListQuery,
        after_upload: Option<UploadId>,
    ) -> Result<Page<(UploadId, UploadRecord)>, EngineError> {
        let query = |list, first| Query::ListUploads { list, after_upload: after_upload.filter(|_| first) };
        let unpack = |answer| match answer {
            Answer::ListUploads(page) => Ok(page),
            _ => Err(EngineError::unexpected("ListUploads")),
        };
        self.pages(bucket, list, query, unpack).await
    }

    async fn pages<T>(
        &self,
        bucket: &Bucket,
        mut list: ListQuery,
        query: impl Fn(ListQuery, bool) -> Query,
        unpack: impl Fn(Answer) -> Result<Page<T>, EngineError>,
    ) -> Result<Page<T>, EngineError> {
        let limit = list.limit.min(PAGE_ENTRIES_MAX) as usize;
        let mut page = Page { entries: Vec::with_capacity(limit.min(1000)), truncated: false };
        if limit == 0 {
            return Ok(page);
        }
        let mut walk = Walk::new(&list);
        let mut first = true;
        while let Some(start) = walk.next(self, bucket).await? {
            let left = limit.saturating_sub(page.entries.len());
            // A full page asks for one entry more, to learn whether any follows.
            list.limit = u32::try_from(left.max(1)).unwrap_or(PAGE_ENTRIES_MAX);
            let view = bucket.view();
            let asked = query(list.clone(), first);
            let answered = self.router().query_under(view.id, Some(view.rules_version), &start, asked).await;
            let (answer, known) = answered.map_err(|error| self.stale_if_gone(bucket, error))?;
            if !walk.accepts(&known.descriptor, bucket) {
                continue;
            }
            let found = unpack(answer)?;
            if left == 0 && !found.entries.is_empty() {
                page.truncated = true;
                return Ok(page);
            }
            page.truncated = found.truncated;
            page.entries.extend(found.entries);
            if page.truncated {
                return Ok(page);
            }
            walk.pass(&known.descriptor, bucket);
            if let Some(entry) = page.entries.last() {
                first = false;
                list.after = match entry {
                    Entry::Row(key, _) => key.as_bytes().clone(),
                    Entry::CommonPrefix(prefix) => prefix.clone(),
                };
            }
        }
        Ok(page)
    }
}
