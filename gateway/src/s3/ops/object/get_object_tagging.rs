//! GetObjectTagging: the tags that an object was written with.
//!
//! Steps: those of [`OfVersion`].
//! Writes: nothing.

use super::of_version::{OfVersion, Said};
use crate::authorize::Authorized;
use crate::engine::ObjectHandle;
use crate::pipeline::Gateway;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::{reading, tags};

/// The operation.
pub(crate) type GetObjectTagging = OfVersion<Tagging>;

/// The tags of a version.
pub(crate) struct Tagging;

impl Said for Tagging {
    async fn answer(authorized: &Authorized<OfVersion<Self>>, _: &Gateway, handle: &ObjectHandle) -> Result<Response> {
        let mut response = Response::xml(tags::document(&handle.record().attributes.tags));
        reading::insert_version(authorized.resources(), handle.record().version, &mut response.headers);
        Ok(response)
    }
}
