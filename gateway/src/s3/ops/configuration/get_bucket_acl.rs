//! GetBucketAcl: the one grant there is: the bucket's owner has full control.
//!
//! Steps: 1. find the owner's name; 2. write the document.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::owner::Owner;

/// It has no parameters.
pub(crate) struct GetBucketAcl;

impl Handler for GetBucketAcl {
    type Face = S3;
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let owner = Owner::of_bucket(gateway, authorized.caller(), authorized.resources()).await?;
        Ok(Response::xml(owner.access_control_policy()))
    }
}
