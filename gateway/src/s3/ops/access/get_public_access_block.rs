//! GetPublicAccessBlock: what of a bucket is kept from the public whatever policy and lists say.
//!
//! Promises: speaks of the bucket's own setting as of now; a bucket without one is told so by an error of its own.
//! Steps: answer.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::guarded::BucketDocuments;
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::access::block;

/// It has no parameters.
pub(crate) struct GetPublicAccessBlock;

impl Handler for GetPublicAccessBlock {
    type Face = S3;
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(authorized: Authorized<Self>, _: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let bucket = authorized.resources();
        let Some(block) = BucketDocuments::of(bucket).block else {
            let error = S3Error::new(Code::NoSuchPublicAccessBlockConfiguration);
            return Err(error.detail("BucketName", &*bucket.name).into());
        };
        Ok(Response::xml(block::write(block)))
    }
}
