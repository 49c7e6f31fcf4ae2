//! PutBucketOwnershipControls: sets whose the objects are that others write to a bucket, and whether lists count.
//!
//! Promises: when it answers 200 every later request through any gateway goes by it. Lists that would not count any more
//! and grant something to others keep it from being `BucketOwnerEnforced`, as on S3.
//! Steps: 1. the document; 2. the bucket's list is compared; 3. the engine writes the registry row, then raises the rules'
//! version in every range (`engine.put_document`).
//! Writes: the registry row, one rules row a range; no chunks.
//! Acknowledged: when `engine.put_document` has returned `Ok`.
//! After a crash: the registry row says what was meant; the next request that meets a range with older
//! rules brings them there.

use couronne_base::codec;

use crate::access::ObjectOwnership;
use crate::access::acl::AccessControlList;
use crate::engine::{Bucket, BucketDocument};
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, FrontError, Gateway, Handler, Response};
use crate::guarded::BucketDocuments;
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result};
use crate::s3::face::S3;
use crate::s3::wire::xml;

/// Its parameters are all in the document.
pub(crate) struct PutBucketOwnershipControls;

impl Handler for PutBucketOwnershipControls {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        let document = body.document(xml::document_bytes::WORDS_MAX).await?;
        let ownership = read(&document)?;
        let encoded = &codec::encode(&ownership);
        let commit = move |now: Authorized<Self>| async move {
            check_acl(now.resources(), ownership)?;
            let bucket = now.resources();
            gateway
                .engine
                .put_document(bucket, BucketDocument::OwnershipControls, Some(encoded.clone()))
                .await
                .map_err(FrontError::from)
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::ok())
    }
}

fn read(document: &[u8]) -> Result<ObjectOwnership> {
    let document = xml::read(document, "OwnershipControls")?;
    let rule = document.child("Rule").and_then(|rule| rule.child_text("ObjectOwnership"));
    rule.map(str::trim).and_then(ObjectOwnership::parse).ok_or_else(|| Code::MalformedXML.into())
}

/// A list that others have rights by has to be taken back before it does not count.
fn check_acl(bucket: &Bucket, ownership: ObjectOwnership) -> Result<()> {
    let is_private = |list: &AccessControlList| *list == AccessControlList::private(&bucket.entry.account);
    if ownership.acls_count() || BucketDocuments::of(bucket).acl.as_ref().is_none_or(is_private) {
        return Ok(());
    }
    Err(Code::InvalidBucketAclWithObjectOwnership.into())
}
