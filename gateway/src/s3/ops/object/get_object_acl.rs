//! GetObjectAcl: the grants on a version of an object, as they count.
//!
//! Promises: where lists do not count, or public grants do not, those that do not count are not shown, as on S3.
//! Steps: those of [`OfVersion`].
//! Writes: nothing.

use couronne_base::codec;

use crate::engine::{EngineError, ObjectHandle};
use crate::front::{Authorized, Gateway, Response};
use crate::s3::error::Executed;
use crate::s3::face::S3;
use crate::s3::ops::of_version::{OfVersion, VersionView};
use crate::s3::ops::owner::Owners;
use crate::s3::ops::{acl, reading};

/// The operation.
pub(crate) type GetObjectAcl = OfVersion<Acl>;

/// The list of a version.
pub(crate) struct Acl;

impl VersionView for Acl {
    async fn answer(
        authorized: &Authorized<OfVersion<Self>>,
        gateway: &Gateway<S3>,
        handle: &ObjectHandle,
    ) -> Executed<Response> {
        let bucket = authorized.resources();
        let attributes = &handle.record().attributes;
        let list = attributes.acl.as_ref().map(codec::decode).transpose();
        let list = list.map_err(|error| EngineError::Corrupt(format!("access control list of an object: {error}")))?;
        let guarded = authorized.guarded(gateway, bucket).await?;
        let list = acl::counting(list, &attributes.owner, &guarded);
        let mut owners = Owners::new(gateway, authorized.caller(), &guarded).await?;
        let mut response = Response::xml(acl::write(&list, &mut owners).await?);
        reading::insert_version(bucket, handle.record().version, &mut response.headers);
        Ok(response)
    }
}
