//! PutObjectTagging: replaces the tags of an object, in place.
//!
//! Promises: neither tag nor date of the object changes.
//! Steps: 1. the document; 2. one command (`engine.update_attributes`).
//! Writes: the version row; no chunks.
//! Acknowledged: when `engine.update_attributes` has returned `Ok`.
//! After a crash: nothing is half done.

use couronne_metadata::command::AttributeChange;
use couronne_metadata::ids::VersionId;

use crate::authorize::{Authorized, InBucket};
use crate::body::{Body, BodyUse};
use crate::engine::EngineError;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::xml;
use crate::s3::{parameters, reading, tags};

/// Its parameters, beside the document.
pub(crate) struct PutObjectTagging {
    version: Option<VersionId>,
}

impl S3Operation for PutObjectTagging {
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };
    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { version: parameters::version(request)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::of(request)
    }

    async fn execute(mut authorized: Authorized<Self>, gateway: &Gateway, body: &mut Body) -> Result<Response> {
        let tags = tags::read_document(&xml::read(&body.document(xml::XML_BYTES_MAX).await?, "Tagging")?)?;
        let key = authorized.request().need_key()?.clone();
        let version = authorized.operation().version;
        loop {
            let change = AttributeChange::Tags(tags.clone());
            match gateway.engine.update_attributes(authorized.resources(), &key, version, change, false).await {
                Err(EngineError::StaleRules) => authorized.renew(&gateway.engine).await?,
                outcome => break outcome?,
            }
        }
        Ok(reading::versioned(Response::ok(), version))
    }
}
