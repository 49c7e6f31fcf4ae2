//! PutBucketTagging: replaces the tags of a bucket.
//!
//! Promises: when it answers 204 every later request through any gateway goes by the new tags.
//! Steps: 1. the document; 2. the engine writes the registry row, then raises the rules' version in every range
//! (`engine.put_document`).
//! Writes: the registry row, one rules row a range; no chunks.
//! Acknowledged: when `engine.put_document` has returned `Ok`.
//! After a crash: the registry row says what was meant; the next request that meets a range with older
//! rules brings them there.

use crate::engine::BucketDocument;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::wire::{tags, xml};

/// Its parameters are all in the document.
pub(crate) struct PutBucketTagging;

impl Handler for PutBucketTagging {
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
        let document = body.document(xml::document_bytes::TAGGING_MAX).await?;
        let tags = tags::read_document(&xml::read_list(&document, "Tagging", "Tag")?, tags::Of::Bucket)?;
        let (engine, encoded) = (&gateway.engine, &BucketDocument::of_tags(tags));
        let commit = move |now: Authorized<Self>| async move {
            engine.put_document(now.resources(), BucketDocument::Tags, Some(encoded.clone())).await
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::no_content())
    }
}
