//! PutObjectTagging: replaces the tags of an object, in place.
//!
//! Promises: neither tag nor date of the object changes.
//! Steps: 1. the document; 2. one command (`engine.update_attributes`).
//! Writes: the version row; no chunks.
//! Acknowledged: when `engine.update_attributes` has returned `Ok`.
//! After a crash: nothing is half done.

use couronne_metadata::command::AttributeChange;
use couronne_metadata::ids::VersionId;

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::reading;
use crate::s3::wire::{parameters, tags, xml};

/// Its parameters, beside the document.
pub(crate) struct PutObjectTagging {
    version: Option<VersionId>,
}

impl Handler for PutObjectTagging {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };
    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { version: parameters::version(request)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        let document = body.document(xml::document_bytes::TAGGING_MAX).await?;
        let tags = tags::read_document(&xml::read_list(&document, "Tagging", "Tag")?, tags::Of::Object)?;
        let key = authorized.request().need_key()?.clone();
        let version = authorized.operation().version;
        let (engine, key, tags) = (&gateway.engine, &key, &tags);
        let commit = move |now: Authorized<Self>| async move {
            let change = AttributeChange::Tags(tags.clone());
            engine.update_attributes(now.resources(), key, version, change, false).await
        };
        authorized.commit(gateway, commit).await?;
        Ok(reading::versioned(Response::ok(), version))
    }
}
