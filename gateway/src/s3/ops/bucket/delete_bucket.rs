//! DeleteBucket: seals every range of an empty bucket, then gives up its name.
//!
//! Promises: a bucket that holds a version or a delete marker anywhere stays whole (409
//! `BucketNotEmpty`). Open uploads do not keep a bucket, as on S3: they are aborted. When it answers 204
//! the name is free.
//! Steps: 1. the engine deletes: the registry row says `Deleting`; every range is sealed, or all go back
//! to `Live`; the rules, the owned row and the registry row go; 2. if only open uploads stood in the
//! way, they are aborted and step 1 is repeated.
//! Writes: the registry row, one rules row a range, the owned row; no chunks.
//! Acknowledged: when `engine.delete_bucket` has returned `Ok`.
//! After a crash: the row stays `Deleting`; the next creation or deletion of the name goes on from there.

use couronne_metadata::command::Refusal;
use couronne_metadata::query::{Entry, ListQuery, PAGE_ENTRIES_MAX};

use crate::engine::{Bucket, Engine, EngineError};
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, FrontError, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;

/// How often a bucket is tried again because uploads were opened meanwhile.
const ROUNDS_MAX: u32 = 3;

/// It has no parameters.
pub(crate) struct DeleteBucket;

impl Handler for DeleteBucket {
    type Face = S3;
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(mut authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        for _ in 0..ROUNDS_MAX {
            let bucket = authorized.resources();
            match gateway.engine.delete_bucket(bucket).await {
                Ok(()) => return Ok(Response::no_content()),
                Err(EngineError::Refused(Refusal::BucketNotEmpty)) => {}
                Err(error) => {
                    return Err(FrontError::from(error).map(|error: S3Error| error.detail("BucketName", &*bucket.name)));
                }
            }
            // The sealing that was taken back left newer rules in every range.
            authorized.renew(gateway).await?;
            abort_uploads(&gateway.engine, authorized.resources()).await?;
        }
        Err(not_empty(authorized.resources()).into())
    }
}

fn not_empty(bucket: &Bucket) -> S3Error {
    S3Error::new(Code::BucketNotEmpty).detail("BucketName", &*bucket.name)
}

/// Aborts every open upload of a bucket that holds nothing else; else `BucketNotEmpty`.
async fn abort_uploads(engine: &Engine, bucket: &Bucket) -> Executed<()> {
    let all = |limit| ListQuery { limit, ..ListQuery::default() };
    if !engine.list_versions(bucket, all(1), None).await?.entries.is_empty() {
        return Err(not_empty(bucket).into());
    }
    loop {
        let page = engine.list_uploads(bucket, all(PAGE_ENTRIES_MAX), None).await?;
        for entry in &page.entries {
            let Entry::Row(key, (upload, _)) = entry else { continue };
            match engine.abort_upload(bucket, key, *upload).await {
                Ok(()) | Err(EngineError::Refused(Refusal::NoSuchUpload)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !page.truncated {
            return Ok(());
        }
    }
}
