//! GetObjectLegalHold: whether a legal hold is on an object version.
//!
//! Steps: those of [`OfVersion`].
//! Writes: nothing.

use super::of_version::{OfVersion, Said};
use crate::authorize::Authorized;
use crate::engine::{Bucket, ObjectHandle};
use crate::pipeline::Gateway;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::lock;

/// The operation.
pub(crate) type GetObjectLegalHold = OfVersion<LegalHold>;

/// The legal hold on a version.
pub(crate) struct LegalHold;

impl Said for LegalHold {
    fn check(bucket: &Bucket) -> Result<()> {
        lock::need(&bucket.entry.rules)
    }

    async fn answer(_: &Authorized<OfVersion<Self>>, _: &Gateway, handle: &ObjectHandle) -> Result<Response> {
        Ok(Response::xml(lock::legal_hold_document(handle.record().attributes.legal_hold)))
    }
}
