//! GetBucketOwnershipControls: whose the objects are that others write to a bucket, and whether lists count.
//!
//! Promises: speaks of the setting as of now; a bucket without one is told so by an error of its own.
//! Steps: answer.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::guarded::BucketDocuments;
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::wire::xml::Writer;

/// It has no parameters.
pub(crate) struct GetBucketOwnershipControls;

impl Handler for GetBucketOwnershipControls {
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
        let Some(ownership) = BucketDocuments::of(bucket).ownership else {
            return Err(S3Error::new(Code::OwnershipControlsNotFoundError).detail("BucketName", &*bucket.name).into());
        };
        Ok(Response::xml(Writer::document("OwnershipControls", |xml| {
            xml.element("Rule", |xml| xml.text("ObjectOwnership", ownership.name()));
        })))
    }
}
