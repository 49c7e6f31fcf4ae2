//! GetBucketAcl: the one grant there is: the bucket's owner has full control.
//!
//! Steps: 1. find the owner's name; 2. write the document.
//! Writes: nothing.

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::owner::Owner;

/// It has no parameters.
pub(crate) struct GetBucketAcl;

impl S3Operation for GetBucketAcl {
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::as_of_now(request)
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway, _: &mut Body) -> Result<Response> {
        let owner = Owner::of_bucket(gateway, authorized.caller(), authorized.resources()).await?;
        Ok(Response::xml(owner.access_control_policy()))
    }
}
