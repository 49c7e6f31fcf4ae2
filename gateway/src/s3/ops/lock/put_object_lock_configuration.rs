//! PutObjectLockConfiguration: lets a bucket's objects be locked, and sets their default retention.
//!
//! Promises: only a bucket that keeps versions can be put under lock, and it stays so for good. When it
//! answers 200 every range of the bucket works by the new rule.
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
use crate::s3::wire::lock;
use crate::s3::wire::xml;

/// Its parameters are all in the document.
pub(crate) struct PutObjectLockConfiguration;

impl Handler for PutObjectLockConfiguration {
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
        let document =
            xml::read(&body.document(xml::document_bytes::LOCK_CONFIGURATION_MAX).await?, "ObjectLockConfiguration")?;
        if authorized.resources().entry.rules.versioning != Versioning::Enabled {
            let message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
            return Err(S3Error::with_message(Code::InvalidBucketState, message).into());
        }
        let default = lock::read_configuration(&document)?;
        let engine = &gateway.engine;
        let commit = move |now: Authorized<Self>| async move {
            let locked = |rules: &BucketRules| match rules.versioning {
                Versioning::Enabled => Ok(lock::with_lock(rules, default)),
                Versioning::Off | Versioning::Suspended => Err(EngineError::BucketBusy),
            };
            engine.update_rules(now.resources(), locked).await
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::ok())
    }
}
