//! PutBucketAcl: accepts the one list there can be (the bucket's owner has full control) and refuses any other.
//!
//! Promises: nothing changes.
//! Steps: 1. the list is compared.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::acl;
use crate::s3::wire::xml;

/// Its parameter, beside the document.
pub(crate) struct PutBucketAcl {
    canned: bool,
}

impl Handler for PutBucketAcl {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Optional;

    fn parse(request: &Request) -> Result<Self> {
        let canned = acl::check_headers(&request.headers, Code::AccessControlListNotSupported)?;
        Ok(Self { canned })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, _: &Gateway<S3>, body: &mut Body<S3>) -> Executed<Response> {
        let bucket = authorized.resources();
        let document = body.document(xml::document_bytes::ACL_MAX).await?;
        if !authorized.operation().canned {
            acl::check_document(&document, &bucket.entry.account)?;
        }
        Ok(Response::ok())
    }
}
