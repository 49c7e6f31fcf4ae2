//! GetObjectAcl: the one grant there is: the bucket's owner has full control.
//!
//! Steps: those of [`OfVersion`].
//! Writes: nothing.

use super::of_version::{OfVersion, Said};
use crate::authorize::Authorized;
use crate::engine::ObjectHandle;
use crate::pipeline::Gateway;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::owner::Owner;
use crate::s3::reading;

/// The operation.
pub(crate) type GetObjectAcl = OfVersion<Acl>;

/// The ACL of a version.
pub(crate) struct Acl;

impl Said for Acl {
    async fn answer(
        authorized: &Authorized<OfVersion<Self>>,
        gateway: &Gateway,
        handle: &ObjectHandle,
    ) -> Result<Response> {
        let bucket = authorized.resources();
        let owner = Owner::of_bucket(gateway, authorized.caller(), bucket).await?;
        let mut response = Response::xml(owner.access_control_policy());
        reading::insert_version(bucket, handle.record().version, &mut response.headers);
        Ok(response)
    }
}
