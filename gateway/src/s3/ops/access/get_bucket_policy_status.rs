//! GetBucketPolicyStatus: whether the policy of a bucket is public by S3's definition.
//!
//! Promises: speaks of the policy as of now; one that cannot be read counts as public.
//! Steps: answer.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::guarded::BucketDocuments;
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::wire::xml::Writer;

/// It has no parameters.
pub(crate) struct GetBucketPolicyStatus;

impl Handler for GetBucketPolicyStatus {
    type Face = S3;
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(authorized: Authorized<Self>, _: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let bucket = authorized.resources();
        let documents = BucketDocuments::of(bucket);
        let Some(policy) = &documents.policy else {
            return Err(S3Error::new(Code::NoSuchBucketPolicy).detail("BucketName", &*bucket.name).into());
        };
        let is_public = policy.is_public();
        Ok(Response::xml(Writer::document("PolicyStatus", |xml| xml.value("IsPublic", is_public))))
    }
}
