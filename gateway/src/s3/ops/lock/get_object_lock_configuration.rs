//! GetObjectLockConfiguration: whether a bucket's objects can be locked, and their default retention.
//!
//! Promises: speaks of the rules as of now.
//! Steps: write the document.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::wire::lock;

/// It has no parameters.
pub(crate) struct GetObjectLockConfiguration;

impl Handler for GetObjectLockConfiguration {
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
        if bucket.entry.rules.object_lock.is_none() {
            let error = S3Error::new(Code::ObjectLockConfigurationNotFoundError);
            return Err(error.detail("BucketName", &*bucket.name).into());
        }
        Ok(Response::xml(lock::configuration_document(&bucket.entry.rules)))
    }
}
