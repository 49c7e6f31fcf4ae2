//! AbortMultipartUpload: drops an open upload and its parts.
//!
//! Promises: when it answers 204 the upload takes no part and cannot be completed.
//! Steps: 1. one command (`engine.abort_upload`).
//! Writes: the upload row goes; a reap row for its parts.
//! Acknowledged: when `engine.abort_upload` has returned `Ok`.
//! After a crash: nothing is half done; the range's reaper deletes the parts.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::wire::parameters::NamedUpload;

/// Its parameters.
pub(crate) struct AbortMultipartUpload {
    upload: NamedUpload,
}

impl Handler for AbortMultipartUpload {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { upload: NamedUpload::of(request) })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let key = authorized.request().need_key()?;
        let upload = &authorized.operation().upload;
        upload.told(gateway.engine.abort_upload(authorized.resources(), key, upload.id()?).await)?;
        Ok(Response::no_content())
    }
}
