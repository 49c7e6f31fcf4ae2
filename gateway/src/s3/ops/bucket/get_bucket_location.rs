//! GetBucketLocation: the region of a bucket, which is this cluster's.
//!
//! Promises: S3's first region is told as an empty element, as clients expect.
//! Steps: write the document.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::{FIRST_REGION, S3};
use crate::s3::wire::xml::Writer;

/// It has no parameters.
pub(crate) struct GetBucketLocation;

impl Handler for GetBucketLocation {
    type Face = S3;
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(_: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let region = Some(gateway.face.region()).filter(|region| *region != FIRST_REGION);
        Ok(Response::xml(Writer::document_of_text("LocationConstraint", region.unwrap_or_default())))
    }
}
