//! DeleteBucket: seals every range of an empty bucket, then gives up its name.
//!
//! Promises: a bucket that holds a version, a delete marker or an open upload anywhere stays whole
//! (409 `BucketNotEmpty`); when it answers 204 the name is free.
//! Steps: all the engine's: 1. the registry row says `Deleting`; 2. every range is sealed, or all go back
//! to `Live`; 3. the rules, the owned row and the registry row go.
//! Writes: the registry row, one rules row a range, the owned row; no chunks.
//! Acknowledged: when `engine.delete_bucket` has returned `Ok`.
//! After a crash: the row stays `Deleting`; the next creation or deletion of the name goes on from there.

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::{Result, S3Error};

/// It has no parameters.
pub(crate) struct DeleteBucket;

impl S3Operation for DeleteBucket {
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::as_of_now(request)
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway, _: &mut Body) -> Result<Response> {
        let bucket = authorized.resources();
        let deleted = gateway.engine.delete_bucket(bucket).await;
        deleted.map_err(|error| S3Error::from(error).detail("BucketName", &*bucket.name))?;
        Ok(Response::no_content())
    }
}
