//! HeadBucket: whether a bucket is there and the caller may use it.
//!
//! Promises: speaks of the bucket as of now, not from memory.
//! Steps: none beyond the pipeline's resolving and authorizing.
//! Writes: nothing.

use http::{HeaderName, HeaderValue};

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::region::region;
use crate::s3::values::header_value;

/// It has no parameters.
pub(crate) struct HeadBucket;

impl S3Operation for HeadBucket {
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::as_of_now(request)
    }

    async fn execute(_: Authorized<Self>, gateway: &Gateway, _: &mut Body) -> Result<Response> {
        Ok(Response::ok()
            .header(HeaderName::from_static("x-amz-bucket-region"), header_value(region(&gateway.settings)))
            .header(HeaderName::from_static("x-amz-access-point-alias"), HeaderValue::from_static("false")))
    }
}
