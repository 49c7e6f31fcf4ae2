//! PutBucketAcl: replaces the grants on a bucket.
//!
//! Promises: when it answers 200 every later request through any gateway goes by them. Where lists do not count only one
//! that is true anyway is taken, and changes nothing.
//! Steps: 1. the list from the headers or the document, and its grantees; 2. the bucket's settings; 3. the engine writes
//! the registry row, then raises the rules' version in every range (`engine.put_document`).
//! Writes: the registry row, one rules row a range; no chunks.
//! Acknowledged: when `engine.put_document` has returned `Ok`.
//! After a crash: the registry row says what was meant; the next request that meets a range with older
//! rules brings them there.

use couronne_base::codec;

use crate::access::acl::AclOf;
use crate::engine::BucketDocument;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, FrontError, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::acl::{self, AskedAcl};
use crate::s3::wire::xml;

/// Its parameter, beside the document.
pub(crate) struct PutBucketAcl {
    acl: Option<AskedAcl>,
}

impl Handler for PutBucketAcl {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Optional;

    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { acl: acl::of_headers(&request.headers)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        let document = body.document(xml::document_bytes::ACL_MAX).await?;
        let asked = acl::of_request(authorized.operation().acl.clone(), &document)?;
        asked.check_owner(&authorized.resources().entry.account)?;
        let new = &asked.acl.find(gateway).await?;
        let commit = move |now: Authorized<Self>| async move {
            let bucket = now.resources();
            let guarded = now.guarded(gateway, bucket).await?;
            let list = new.admit(AclOf::Bucket, &bucket.entry.account, &guarded)?;
            let encoded = list.as_ref().map(codec::encode);
            gateway.engine.put_document(bucket, BucketDocument::Acl, encoded).await.map_err(FrontError::from)
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::ok())
    }
}
