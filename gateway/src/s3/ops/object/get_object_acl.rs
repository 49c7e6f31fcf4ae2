//! GetObjectAcl: the one grant there is: the bucket's owner has full control.
//!
//! Steps: those of [`OfVersion`].
//! Writes: nothing.

use crate::engine::ObjectHandle;
use crate::front::{Authorized, Gateway, Response};
use crate::s3::error::Executed;
use crate::s3::face::S3;
use crate::s3::ops::of_version::{OfVersion, VersionView};
use crate::s3::ops::owner::Owner;
use crate::s3::ops::reading;

/// The operation.
pub(crate) type GetObjectAcl = OfVersion<Acl>;

/// The ACL of a version.
pub(crate) struct Acl;

impl VersionView for Acl {
    async fn answer(
        authorized: &Authorized<OfVersion<Self>>,
        gateway: &Gateway<S3>,
        handle: &ObjectHandle,
    ) -> Executed<Response> {
        let bucket = authorized.resources();
        let owner = Owner::of_bucket(gateway, authorized.caller(), bucket).await?;
        let mut response = Response::xml(owner.access_control_policy());
        reading::insert_version(bucket, handle.record().version, &mut response.headers);
        Ok(response)
    }
}
