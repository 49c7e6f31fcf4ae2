//! UntagResource of S3 Control: takes tags from a bucket, by their keys.
//!
//! Promises: when it answers 204 no later request through any gateway goes by them. Taking away what is not there is done.
//! Steps: 1. the keys, which stand in the query; 2. the engine writes the registry row, then raises the rules' version in every range
//! (`engine.put_document`).
//! Writes: the registry row, one rules row a range; no chunks.
//! Acknowledged: when `engine.put_document` has returned `Ok`.
//! After a crash: the registry row says what was meant; the next request that meets a range with older
//! rules brings them there.

use crate::engine::BucketDocument;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, FrontError, Gateway, Handler, Response};
use crate::s3::address::{Request, TAG_KEYS};
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;

/// Its parameters: the keys.
pub(crate) struct UntagResource(Vec<Box<str>>);

impl Handler for UntagResource {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        let keys = request.query.iter().filter(|(name, _)| *name == TAG_KEYS);
        Ok(Self(keys.map(|(_, key)| key.into()).collect()))
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(mut authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        super::check_owner(gateway, &authorized).await?;
        let engine = &gateway.engine;
        let commit = move |now: Authorized<Self>| async move {
            let mut tags = super::tags_of(now.resources())?;
            tags.retain(|(key, _)| !now.operation().0.contains(key));
            let left = (!tags.is_empty()).then(|| BucketDocument::of_tags(tags));
            engine.put_document(now.resources(), BucketDocument::Tags, left).await.map_err(FrontError::from)
        };
        authorized.commit(gateway, commit).await?;
        Ok(Response::no_content())
    }
}
