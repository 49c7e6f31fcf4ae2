//! GetObjectLockConfiguration: whether a bucket's objects can be locked, and their default retention.
//!
//! Promises: speaks of the rules as of now.
//! Steps: write the document.
//! Writes: nothing.

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::{Code, Result, S3Error};
use crate::s3::lock;

/// It has no parameters.
pub(crate) struct GetObjectLockConfiguration;

impl S3Operation for GetObjectLockConfiguration {
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::as_of_now(request)
    }

    async fn execute(authorized: Authorized<Self>, _: &Gateway, _: &mut Body) -> Result<Response> {
        let bucket = authorized.resources();
        if bucket.entry.rules.object_lock.is_none() {
            let error = S3Error::new(Code::ObjectLockConfigurationNotFoundError);
            return Err(error.detail("BucketName", &*bucket.name));
        }
        Ok(Response::xml(lock::configuration_document(&bucket.entry.rules)))
    }
}
