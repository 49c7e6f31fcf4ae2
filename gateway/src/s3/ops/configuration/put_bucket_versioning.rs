//! PutBucketVersioning: whether writes to a bucket make versions from now on.
//!
//! Promises: when it answers 200 every range of the bucket works by the new rule, so every later write
//! through any gateway does. Versions that exist stay.
//! Steps: 1. the document; 2. the engine writes the registry row, then the rules row of every range,
//! under an exclusive latch (`engine.update_rules`).
//! Writes: the registry row, one rules row a range; no chunks.
//! Acknowledged: when `engine.update_rules` has returned `Ok`.
//! After a crash: the registry row says what was meant; the next request that meets a range with older
//! rules brings them there.

use couronne_metadata::record::{BucketRules, Versioning};

use crate::engine::EngineError;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::wire::xml::{self, Element};

/// Its parameters are all in the document.
pub(crate) struct PutBucketVersioning;

impl Handler for PutBucketVersioning {
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
        let versioning = read(&xml::read(&document, "VersioningConfiguration")?)?;
        let bucket = authorized.resources();
        if versioning == Versioning::Suspended && bucket.entry.rules.object_lock.is_some() {
            let message =
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
            return Err(S3Error::with_message(Code::InvalidBucketState, message).into());
        }
        let engine = &gateway.engine;
        let commit = move |now: Authorized<Self>| async move {
            engine.update_rules(now.resources(), |rules| changed(rules, versioning)).await
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::ok())
    }
}

fn read(document: &Element) -> Result<Versioning> {
    if document.child_text("MfaDelete").is_some_and(|text| text.trim() == "Enabled") {
        return Err(S3Error::not_implemented("MfaDelete"));
    }
    match document.child_text("Status").map(str::trim) {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some("Suspended") => Ok(Versioning::Suspended),
        Some(_) => Err(Code::MalformedXML.into()),
        None => Err(Code::IllegalVersioningConfigurationException.into()),
    }
}

/// A lock that came meanwhile wins: a bucket under lock never stops keeping versions.
fn changed(rules: &BucketRules, versioning: Versioning) -> std::result::Result<BucketRules, EngineError> {
    if versioning == Versioning::Suspended && rules.object_lock.is_some() {
        return Err(EngineError::BucketBusy);
    }
    Ok(BucketRules { versioning, ..rules.clone() })
}
