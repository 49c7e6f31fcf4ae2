//! GetBucketPolicy: the policy of a bucket, byte by byte as it was put.
//!
//! Promises: speaks of the policy as of now; a bucket without one is told so by an error of its own.
//! Steps: answer.
//! Writes: nothing.

use http::HeaderValue;
use http::header::CONTENT_TYPE;

use crate::engine::BucketDocument;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;

/// It has no parameters.
pub(crate) struct GetBucketPolicy;

impl Handler for GetBucketPolicy {
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
        let Some(policy) = bucket.document(BucketDocument::Policy) else {
            return Err(S3Error::new(Code::NoSuchBucketPolicy).detail("BucketName", &*bucket.name).into());
        };
        let mut response = Response::ok();
        response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.body = policy.clone().into();
        Ok(response)
    }
}
