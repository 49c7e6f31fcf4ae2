//! PutObjectRetention: sets until when and how firmly an object version is locked, in place.
//!
//! Promises: neither tag nor date of the object changes. A lock may always grow; governance may be loosened by a
//! request that bypasses it, compliance by none. The range decides.
//! Steps: 1. the document; 2. one command (`engine.update_attributes`), again if the bucket's rules
//! changed meanwhile.
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
use crate::s3::wire::lock;
use crate::s3::wire::{parameters, xml};

/// Its parameters, beside the document.
pub(crate) struct PutObjectRetention {
    version: Option<VersionId>,
    bypass_governance: bool,
}

impl Handler for PutObjectRetention {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };

    fn parse(request: &Request) -> Result<Self> {
        let bypass = request.header("x-amz-bypass-governance-retention")?;
        let bypass_governance = bypass.is_some_and(|text| text.eq_ignore_ascii_case("true"));
        Ok(Self { version: parameters::version(request)?, bypass_governance })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        lock::need(&authorized.resources().entry.rules)?;
        let document = xml::read(&body.document(xml::document_bytes::WORDS_MAX).await?, "Retention")?;
        let retention = lock::read_retention(&document, gateway.env.clock.wall_us() / 1000)?;
        let key = authorized.request().need_key()?.clone();
        let &Self { version, bypass_governance } = authorized.operation();
        let (engine, key) = (&gateway.engine, &key);
        let commit = move |now: Authorized<Self>| async move {
            let change = AttributeChange::Retention(retention);
            engine.update_attributes(now.resources(), key, version, change, bypass_governance).await
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::ok())
    }
}
