//! HeadBucket: whether a bucket is there and the caller may use it.
//!
//! Promises: speaks of the bucket as of now, not from memory.
//! Steps: none beyond the pipeline's resolving and authorizing.
//! Writes: nothing.

use http::{HeaderName, HeaderValue};

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::{BUCKET_REGION, S3};
use crate::s3::wire::values::header_value;

/// It has no parameters.
pub(crate) struct HeadBucket;

impl Handler for HeadBucket {
    type Face = S3;
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(_: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        Ok(Response::ok()
            .header(BUCKET_REGION, header_value(gateway.face.region()))
            .header(HeaderName::from_static("x-amz-access-point-alias"), HeaderValue::from_static("false")))
    }
}
