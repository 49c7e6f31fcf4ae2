//! GetObjectAcl: the one grant there is: the bucket's owner has full control.
//!
//! Steps: 1. the object must be there; 2. write the document.
//! Writes: nothing.

use couronne_metadata::ids::VersionId;

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::owner::Owner;
use crate::s3::{parameters, reading};

/// Its parameters.
pub(crate) struct GetObjectAcl {
    version: Option<VersionId>,
}

impl S3Operation for GetObjectAcl {
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { version: parameters::version(request)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::of(request)
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway, _: &mut Body) -> Result<Response> {
        let bucket = authorized.resources();
        let key = authorized.request().need_key()?;
        let handle = reading::open(&gateway.engine, bucket, key, authorized.operation().version).await?;
        let owner = Owner::of_bucket(gateway, authorized.caller(), bucket).await?;
        let mut response = Response::xml(owner.access_control_policy());
        reading::insert_version(bucket, handle.record().version, &mut response.headers);
        Ok(response)
    }
}
