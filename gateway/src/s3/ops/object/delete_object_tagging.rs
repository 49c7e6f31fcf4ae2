//! DeleteObjectTagging: takes all tags from an object, in place.
//!
//! Promises: neither tag nor date of the object changes.
//! Steps: 1. one command (`engine.update_attributes`).
//! Writes: the version row; no chunks.
//! Acknowledged: when `engine.update_attributes` has returned `Ok`.
//! After a crash: nothing is half done.

use couronne_metadata::command::AttributeChange;
use couronne_metadata::ids::VersionId;

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::reading;
use crate::s3::wire::parameters;

/// Its parameters.
pub(crate) struct DeleteObjectTagging {
    version: Option<VersionId>,
}

impl Handler for DeleteObjectTagging {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { version: parameters::version(request)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let key = authorized.request().need_key()?;
        let version = authorized.operation().version;
        let change = AttributeChange::Tags(Vec::new());
        gateway.engine.update_attributes(authorized.resources(), key, version, change, false).await?;
        Ok(reading::versioned(Response::no_content(), version))
    }
}
