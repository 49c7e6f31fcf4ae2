//! GetBucketOwnershipControls: the owner of the objects of a bucket. It is always the bucket's owner:
//! access control lists are not kept, which S3 calls `BucketOwnerEnforced`.
//!
//! Steps: write the document.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
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

    async fn execute(_: Authorized<Self>, _: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        Ok(Response::xml(Writer::document("OwnershipControls", |xml| {
            xml.element("Rule", |xml| xml.text("ObjectOwnership", "BucketOwnerEnforced"));
        })))
    }
}
