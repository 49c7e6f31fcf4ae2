//! DeleteObjectTagging: takes all tags from an object, in place.
//!
//! Promises: neither tag nor date of the object changes.
//! Steps: 1. one command (`engine.update_attributes`).
//! Writes: the version row; no chunks.
//! Acknowledged: when `engine.update_attributes` has returned `Ok`.
//! After a crash: nothing is half done.

use couronne_metadata::command::AttributeChange;
use couronne_metadata::ids::VersionId;

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;

use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;

use crate::s3::{parameters, reading};

/// Its parameters.
pub(crate) struct DeleteObjectTagging {
    version: Option<VersionId>,
}

impl S3Operation for DeleteObjectTagging {
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { version: parameters::version(request)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::of(request)
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway, _: &mut Body) -> Result<Response> {
        let key = authorized.request().need_key()?;
        let version = authorized.operation().version;
        let change = AttributeChange::Tags(Vec::new());
        gateway.engine.update_attributes(authorized.resources(), key, version, change, false).await?;
        Ok(reading::versioned(Response::no_content(), version))
    }
}
