//! PutObjectAcl: accepts the one list there can be (the bucket's owner has full control) and refuses any other.
//!
//! Promises: nothing changes, not even the object's date.
//! Steps: 1. the object must be there; 2. the list is compared.
//! Writes: nothing.

use couronne_metadata::ids::VersionId;

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::{acl, reading};
use crate::s3::wire::{parameters, xml};

/// Its parameters, beside the document.
pub(crate) struct PutObjectAcl {
    version: Option<VersionId>,
    canned: bool,
}

impl Handler for PutObjectAcl {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Optional;

    fn parse(request: &Request) -> Result<Self> {
        let canned = acl::check_headers(&request.headers, Code::AccessControlListNotSupported)?;
        Ok(Self { version: parameters::version(request)?, canned })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, body: &mut Body<S3>) -> Executed<Response> {
        let bucket = authorized.resources();
        let document = body.document(xml::document_bytes::ACL_MAX).await?;
        let key = authorized.request().need_key()?;
        reading::open(&gateway.engine, bucket, key, authorized.operation().version, &authorized.request().method)
            .await?;
        if !authorized.operation().canned {
            acl::check_document(&document, &bucket.entry.account)?;
        }
        Ok(Response::ok())
    }
}
