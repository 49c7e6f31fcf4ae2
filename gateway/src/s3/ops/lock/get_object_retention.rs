//! GetObjectRetention: until when and how firmly an object version is locked.
//!
//! Steps: those of [`OfVersion`].
//! Writes: nothing.

use super::of_version::{OfVersion, Said};
use crate::authorize::Authorized;
use crate::engine::{Bucket, ObjectHandle};
use crate::pipeline::Gateway;
use crate::response::Response;
use crate::s3::error::{Code, Result};
use crate::s3::lock;

/// The operation.
pub(crate) type GetObjectRetention = OfVersion<Retention>;

/// The retention of a version.
pub(crate) struct Retention;

impl Said for Retention {
    fn check(bucket: &Bucket) -> Result<()> {
        lock::need(&bucket.entry.rules)
    }

    async fn answer(_: &Authorized<OfVersion<Self>>, _: &Gateway, handle: &ObjectHandle) -> Result<Response> {
        let retention = handle.record().attributes.retention.ok_or(Code::NoSuchObjectLockConfiguration)?;
        Ok(Response::xml(lock::retention_document(retention)))
    }
}
