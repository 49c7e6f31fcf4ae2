//! GetObjectRetention: until when and how firmly an object version is locked.
//!
//! Steps: 1. open the version; 2. write the document.
//! Writes: nothing.

use couronne_metadata::ids::VersionId;

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::{Code, Result};
use crate::s3::{lock, parameters, reading};

/// Its parameters.
pub(crate) struct GetObjectRetention {
    version: Option<VersionId>,
}

impl S3Operation for GetObjectRetention {
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { version: parameters::version(request)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::of(request)
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway, _: &mut Body) -> Result<Response> {
        let bucket = authorized.resources();
        lock::need(&bucket.entry.rules)?;
        let key = authorized.request().need_key()?;
        let handle = reading::open(&gateway.engine, bucket, key, authorized.operation().version).await?;
        let retention = handle.record().attributes.retention.ok_or(Code::NoSuchObjectLockConfiguration)?;
        Ok(Response::xml(lock::retention_document(retention)))
    }
}
