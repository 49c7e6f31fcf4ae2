//! PutBucketAcl: accepts the one list there can be (the bucket's owner has full control) and refuses any other.
//!
//! Promises: nothing changes.
//! Steps: 1. the list is compared.
//! Writes: nothing.

use crate::authorize::{Authorized, InBucket};
use crate::body::{Body, BodyUse};
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::{Code, Result};
use crate::s3::{acl, xml};

/// Its parameter, beside the document.
pub(crate) struct PutBucketAcl {
    canned: bool,
}

impl S3Operation for PutBucketAcl {
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };

    fn parse(request: &Request) -> Result<Self> {
        let canned = acl::check_headers(&request.headers, Code::AccessControlListNotSupported)?;
        Ok(Self { canned })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::of(request)
    }

    async fn execute(authorized: Authorized<Self>, _: &Gateway, body: &mut Body) -> Result<Response> {
        let bucket = authorized.resources();
        let document = body.document(xml::XML_BYTES_MAX).await?;
        if !authorized.operation().canned {
            acl::check_document(&xml::read(&document, "AccessControlPolicy")?, &bucket.entry.account)?;
        }
        Ok(Response::ok())
    }
}
