//! GetObjectLegalHold: whether a legal hold is on an object version.
//!
//! Steps: 1. open the version; 2. write the document.
//! Writes: nothing.

use couronne_metadata::ids::VersionId;

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::{lock, parameters, reading};

/// Its parameters.
pub(crate) struct GetObjectLegalHold {
    version: Option<VersionId>,
}

impl S3Operation for GetObjectLegalHold {
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
        Ok(Response::xml(lock::legal_hold_document(handle.record().attributes.legal_hold)))
    }
}
