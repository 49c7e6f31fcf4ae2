//! TagResource of S3 Control: gives a bucket tags, beside those that it has or in their place.
//!
//! Promises: when it answers 204 every later request through any gateway goes by the new tags; of two requests at once neither
//! takes away what the other gave.
//! Steps: 1. the document; 2. the engine writes the registry row, then raises the rules' version in every range
//! (`engine.put_document`).
//! Writes: the registry row, one rules row a range; no chunks.
//! Acknowledged: when `engine.put_document` has returned `Ok`.
//! After a crash: the registry row says what was meant; the next request that meets a range with older
//! rules brings them there.

use crate::engine::BucketDocument;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, FrontError, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result};
use crate::s3::face::S3;
use crate::s3::wire::{tags, xml};

/// Its parameters are all in the document.
pub(crate) struct TagResource;

impl Handler for TagResource {
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
        super::check_owner(gateway, &authorized).await?;
        let document = body.document(xml::document_bytes::TAGGING_MAX).await?;
        let document = xml::read_list(&document, "TagResourceRequest", "Tag")?;
        let new = &tags::read_set(document.child("Tags").ok_or(Code::MalformedXML)?, tags::Of::Bucket)?;
        let engine = &gateway.engine;
        let commit = move |now: Authorized<Self>| async move {
            let tags = tags::merged(super::tags_of(now.resources())?, new, tags::Of::Bucket)?;
            let encoded = BucketDocument::of_tags(tags);
            engine.put_document(now.resources(), BucketDocument::Tags, Some(encoded)).await.map_err(FrontError::from)
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::no_content())
    }
}
