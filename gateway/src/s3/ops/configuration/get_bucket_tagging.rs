//! GetBucketTagging: the tags of a bucket.
//!
//! Promises: speaks of the tags as of now; a bucket without any is told so by an error of its own.
//! Steps: write the document.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::wire::tags;

/// It has no parameters.
pub(crate) struct GetBucketTagging;

impl Handler for GetBucketTagging {
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
        let Some(tags) = bucket.tags()? else {
            return Err(S3Error::new(Code::NoSuchTagSet).detail("BucketName", &*bucket.name).into());
        };
        Ok(Response::xml(tags::document(&tags)))
    }
}
