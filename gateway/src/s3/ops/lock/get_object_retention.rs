//! GetObjectRetention: until when and how firmly an object version is locked.
//!
//! Steps: those of [`OfVersion`].
//! Writes: nothing.

use crate::engine::{Bucket, ObjectHandle};
use crate::front::{Authorized, Gateway, Response};
use crate::s3::error::{Code, Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::of_version::{OfVersion, VersionView};
use crate::s3::wire::lock;

/// The operation.
pub(crate) type GetObjectRetention = OfVersion<Retention>;

/// The retention of a version.
pub(crate) struct Retention;

impl VersionView for Retention {
    fn check(bucket: &Bucket) -> Result<()> {
        lock::need(&bucket.entry.rules)
    }

    async fn answer(_: &Authorized<OfVersion<Self>>, _: &Gateway<S3>, handle: &ObjectHandle) -> Executed<Response> {
        let retention = handle.record().attributes.retention.ok_or(Code::NoSuchObjectLockConfiguration)?;
        Ok(Response::xml(lock::retention_document(retention)))
    }
}
