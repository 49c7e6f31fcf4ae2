//! PutBucketPolicy: sets the policy of a bucket.
//!
//! Promises: when it answers 204 every later request through any gateway goes by it. A policy that S3 would not take is
//! refused in its words; a public one is where a public access block of bucket or account says so.
//! Steps: 1. the document is read, and the principals that it names are looked up; 2. the public access block; 3. the engine
//! writes the registry row, then raises the rules' version in every range (`engine.put_document`).
//! Writes: the registry row, one rules row a range; no chunks.
//! Acknowledged: when `engine.put_document` has returned `Ok`.
//! After a crash: the registry row says what was meant; the next request that meets a range with older
//! rules brings them there.

use crate::access::policy::{Policy, PolicyKind};
use crate::engine::BucketDocument;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, FrontError, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::wire::xml;

/// Its parameters are all in the document.
pub(crate) struct PutBucketPolicy;

impl Handler for PutBucketPolicy {
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
        let document = body.document(xml::document_bytes::POLICY_MAX).await?;
        let policy = &read(&document, &authorized.resources().name)?;
        gateway.identity.check_principals(policy).await?;
        let encoded = &document;
        let commit = move |now: Authorized<Self>| async move {
            let guarded = now.guarded(gateway, now.resources()).await?;
            if guarded.block().block_public_policy && policy.is_public() {
                return Err(Code::AccessDenied.into());
            }
            let bucket = now.resources();
            gateway
                .engine
                .put_document(bucket, BucketDocument::Policy, Some(encoded.clone()))
                .await
                .map_err(FrontError::from)
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::no_content())
    }
}

fn read(document: &[u8], bucket: &str) -> Result<Policy> {
    if document.is_empty() {
        return Err(Code::MissingRequestBodyError.into());
    }
    let malformed = |message: String| S3Error::with_message(Code::MalformedPolicy, message);
    let text = std::str::from_utf8(document).map_err(|_| malformed("This policy contains invalid Json".to_owned()))?;
    Policy::parse(text, PolicyKind::Bucket(bucket)).map_err(|error| malformed(error.to_string()))
}
