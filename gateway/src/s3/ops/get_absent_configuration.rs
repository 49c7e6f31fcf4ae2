//! GetBucketPolicy, GetBucketCors, GetBucketTagging, ...: configurations that no bucket has yet, since
//! none can be written. Each is absent with S3's own code, so that clients which look first go on.
//!
//! Promises: no code here is a guess: the write of the same sub-resource answers 501.
//! Steps: answer.
//! Writes: nothing.

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::{Code, Result, S3Error};

/// What is absent, by sub-resource.
const ABSENT: &[(&str, Code)] = &[
    ("cors", Code::NoSuchCORSConfiguration),
    ("encryption", Code::ServerSideEncryptionConfigurationNotFoundError),
    ("lifecycle", Code::NoSuchLifecycleConfiguration),
    ("object-lock", Code::ObjectLockConfigurationNotFoundError),
    ("policy", Code::NoSuchBucketPolicy),
    ("policyStatus", Code::NoSuchBucketPolicy),
    ("publicAccessBlock", Code::NoSuchPublicAccessBlockConfiguration),
    ("replication", Code::ReplicationConfigurationNotFoundError),
    ("tagging", Code::NoSuchTagSet),
    ("website", Code::NoSuchWebsiteConfiguration),
];

/// Its parameter: the code to answer.
pub(crate) struct GetAbsentConfiguration(Code);

impl S3Operation for GetAbsentConfiguration {
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        let found = ABSENT.iter().find(|(name, _)| request.query.has(name));
        found.map(|(_, code)| Self(*code)).ok_or_else(|| S3Error::not_implemented("The sub-resource"))
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::as_of_now(request)
    }

    async fn execute(authorized: Authorized<Self>, _: &Gateway, _: &mut Body) -> Result<Response> {
        let bucket = &*authorized.resources().name;
        Err(S3Error::new(authorized.operation().0).detail("BucketName", bucket))
    }
}
