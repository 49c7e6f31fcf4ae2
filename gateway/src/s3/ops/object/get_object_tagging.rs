//! GetObjectTagging: the tags that an object was written with.
//!
//! Steps: those of [`OfVersion`].
//! Writes: nothing.

use crate::engine::ObjectHandle;
use crate::front::{Authorized, Gateway, Response};
use crate::s3::error::Executed;
use crate::s3::face::S3;
use crate::s3::ops::of_version::{OfVersion, VersionView};
use crate::s3::ops::reading;
use crate::s3::wire::tags;

/// The operation.
pub(crate) type GetObjectTagging = OfVersion<Tagging>;

/// The tags of a version.
pub(crate) struct Tagging;

impl VersionView for Tagging {
    async fn answer(
        authorized: &Authorized<OfVersion<Self>>,
        _: &Gateway<S3>,
        handle: &ObjectHandle,
    ) -> Executed<Response> {
        let mut response = Response::xml(tags::document(&handle.record().attributes.tags));
        reading::insert_version(authorized.resources(), handle.record().version, &mut response.headers);
        Ok(response)
    }
}
