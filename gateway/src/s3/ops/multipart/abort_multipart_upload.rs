//! AbortMultipartUpload: drops an open upload and its parts.
//!
//! Promises: when it answers 204 the upload takes no part and cannot be completed.
//! Steps: 1. one command (`engine.abort_upload`).
//! Writes: the upload row goes; a reap row for its parts.
//! Acknowledged: when `engine.abort_upload` has returned `Ok`.
//! After a crash: nothing is half done; the range's reaper deletes the parts.

use couronne_metadata::ids::UploadId;

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::parameters;

/// Its parameters.
pub(crate) struct AbortMultipartUpload {
    upload: UploadId,
}

impl S3Operation for AbortMultipartUpload {
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { upload: parameters::upload(request)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::of(request)
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway, _: &mut Body) -> Result<Response> {
        let key = authorized.request().need_key()?;
        gateway.engine.abort_upload(authorized.resources(), key, authorized.operation().upload).await?;
        Ok(Response::no_content())
    }
}
