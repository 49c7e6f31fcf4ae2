//! PutObjectLegalHold: sets whether a legal hold is on an object version, in place.
//!
//! Promises: neither tag nor date of the object changes. A version under a legal hold cannot be removed by anyone.
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
pub(crate) struct PutObjectLegalHold {
    version: Option<VersionId>,
}

impl Handler for PutObjectLegalHold {
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
        lock::need(&authorized.resources().entry.rules)?;
        let document = xml::read(&body.document(xml::document_bytes::WORDS_MAX).await?, "LegalHold")?;
        let hold = lock::read_legal_hold(&document)?;
        let key = authorized.request().need_key()?.clone();
        let version = authorized.operation().version;
        let (engine, key) = (&gateway.engine, &key);
        let commit = move |now: Authorized<Self>| async move {
            let change = AttributeChange::LegalHold(hold);
            engine.update_attributes(now.resources(), key, version, change, false).await
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::ok())
    }
}
