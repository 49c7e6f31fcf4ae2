//! GetBucketLocation: the region of a bucket, which is this cluster's.
//!
//! Promises: S3's first region is told as an empty element, as clients expect.
//! Steps: write the document.
//! Writes: nothing.

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::region;
use crate::s3::xml::Writer;

/// It has no parameters.
pub(crate) struct GetBucketLocation;

impl S3Operation for GetBucketLocation {
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::as_of_now(request)
    }

    async fn execute(_: Authorized<Self>, gateway: &Gateway, _: &mut Body) -> Result<Response> {
        let region = Some(region::region(&gateway.settings)).filter(|region| *region != region::FIRST);
        Ok(Response::xml(Writer::document_of_text("LocationConstraint", region.unwrap_or_default())))
    }
}
