//! DeleteBucketPolicy, DeleteBucketCors, DeleteBucketTagging, ...: configurations that no bucket has yet,
//! since none can be written. As on S3, deleting what is not there is done.
//!
//! Promises: afterwards the configuration is absent, as it was.
//! Steps: answer.
//! Writes: nothing.

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;

/// It has no parameters.
pub(crate) struct DeleteAbsentConfiguration;

impl S3Operation for DeleteAbsentConfiguration {
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::as_of_now(request)
    }

    async fn execute(_: Authorized<Self>, _: &Gateway, _: &mut Body) -> Result<Response> {
        Ok(Response::no_content())
    }
}
