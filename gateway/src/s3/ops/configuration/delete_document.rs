//! DeleteBucketPolicy, DeleteBucketTagging and their like: takes from a bucket what its owner wrote of it.
//!
//! Promises: when it answers 204 no later request through any gateway goes by it. Deleting what is not there is done.
//! Steps: the engine writes the registry row, then raises the rules' version in every range (`engine.put_document`).
//! Writes: the registry row, one rules row a range; no chunks.
//! Acknowledged: when `engine.put_document` has returned `Ok`.
//! After a crash: the registry row says what was meant; the next request that meets a range with older
//! rules brings them there.

use crate::engine::BucketDocument;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result, S3Error};
use crate::s3::face::S3;

/// The documents, by sub-resource.
const DOCUMENTS: &[(&str, BucketDocument)] = &[
    ("ownershipControls", BucketDocument::OwnershipControls),
    ("policy", BucketDocument::Policy),
    ("publicAccessBlock", BucketDocument::PublicAccessBlock),
    ("tagging", BucketDocument::Tags),
];

/// Its parameter: which document.
pub(crate) struct DeleteDocument(BucketDocument);

impl Handler for DeleteDocument {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        let found = DOCUMENTS.iter().find(|(name, _)| request.query.has(name));
        found.map(|(_, document)| Self(*document)).ok_or_else(|| S3Error::not_implemented("The sub-resource"))
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let document = authorized.operation().0;
        gateway.engine.put_document(authorized.resources(), document, None).await?;
        Ok(Response::no_content())
    }
}
