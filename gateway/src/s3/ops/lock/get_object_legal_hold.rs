//! GetObjectLegalHold: whether a legal hold is on an object version. One that was never set is told absent.
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
pub(crate) type GetObjectLegalHold = OfVersion<LegalHold>;

/// The legal hold on a version.
pub(crate) struct LegalHold;

impl VersionView for LegalHold {
    fn check(bucket: &Bucket) -> Result<()> {
        lock::need(&bucket.entry.rules)
    }

    async fn answer(_: &Authorized<OfVersion<Self>>, _: &Gateway<S3>, handle: &ObjectHandle) -> Executed<Response> {
        let hold = lock::legal_hold(&handle.record().attributes).ok_or(Code::NoSuchObjectLockConfiguration)?;
        Ok(Response::xml(lock::legal_hold_document(hold)))
    }
}
