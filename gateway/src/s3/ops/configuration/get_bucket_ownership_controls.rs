//! GetBucketOwnershipControls: who owns the objects of a bucket. It is always the bucket's owner:
//! access control lists are not kept, which S3 calls `BucketOwnerEnforced`.
//!
//! Steps: write the document.
//! Writes: nothing.

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::xml::Writer;

/// It has no parameters.
pub(crate) struct GetBucketOwnershipControls;

impl S3Operation for GetBucketOwnershipControls {
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::as_of_now(request)
    }

    async fn execute(_: Authorized<Self>, _: &Gateway, _: &mut Body) -> Result<Response> {
        Ok(Response::xml(Writer::document("OwnershipControls", |xml| {
            xml.element("Rule", |xml| xml.text("ObjectOwnership", "BucketOwnerEnforced"));
        })))
    }
}
