//! DeleteBucketCors, DeleteBucketEncryption, ...: configurations that no bucket has yet,
//! since none can be written. As on S3, deleting what is not there is done.
//!
//! Promises: afterwards the configuration is absent, as it was.
//! Steps: answer.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;

/// It has no parameters.
pub(crate) struct DeleteAbsent;

impl Handler for DeleteAbsent {
    type Face = S3;
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(_: Authorized<Self>, _: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        Ok(Response::no_content())
    }
}
