//! Listings: pages over all ranges of a bucket, in key order.

use couronne_metadata::ids::{UploadId, VersionId};
use couronne_metadata::query::{ListQuery, Page};
use couronne_metadata::record::{ObjectRecord, UploadRecord, VersionRecord};

use super::{Bucket, Engine, EngineError};

impl Engine {
    /// A page of current objects.
    pub async fn list(&self, bucket: &Bucket, list: ListQuery) -> Result<Page<Box<ObjectRecord>>, EngineError> {
        let _ = (bucket, list);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// A page of versions and delete markers, newest first within a key; `true` marks a key's newest.
    /// `after_version` goes on within the key `list.after`.
    pub async fn list_versions(
        &self,
        bucket: &Bucket,
        list: ListQuery,
        after_version: Option<VersionId>,
    ) -> Result<Page<(VersionRecord, bool)>, EngineError> {
        let _ = (bucket, list, after_version);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// A page of open uploads. `after_upload` goes on within the key `list.after`.
    pub async fn list_uploads(
        &self,
        bucket: &Bucket,
        list: ListQuery,
        after_upload: Option<UploadId>,
    ) -> Result<Page<(UploadId, UploadRecord)>, EngineError> {
        let _ = (bucket, list, after_upload);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }
}
