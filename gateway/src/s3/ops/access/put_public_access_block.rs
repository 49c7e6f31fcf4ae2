//! PutPublicAccessBlock: sets what of a bucket is kept from the public whatever policy and lists say.
//!
//! Promises: when it answers 200 every later request through any gateway goes by it.
//! Steps: 1. the document; 2. the engine writes the registry row, then raises the rules' version in every range
//! (`engine.put_document`).
//! Writes: the registry row, one rules row a range; no chunks.
//! Acknowledged: when `engine.put_document` has returned `Ok`.
//! After a crash: the registry row says what was meant; the next request that meets a range with older
//! rules brings them there.

use couronne_base::codec;

use crate::engine::BucketDocument;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::access::block;
use crate::s3::wire::xml;

/// Its parameters are all in the document.
pub(crate) struct PutPublicAccessBlock;

impl Handler for PutPublicAccessBlock {
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
        let encoded = &codec::encode(&block::read(&document)?);
        let commit = move |now: Authorized<Self>| async move {
            let bucket = now.resources();
            gateway.engine.put_document(bucket, BucketDocument::PublicAccessBlock, Some(encoded.clone())).await
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::ok())
    }
}
