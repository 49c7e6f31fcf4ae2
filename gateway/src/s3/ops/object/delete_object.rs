//! DeleteObject: deletes a key, adds a delete marker, or removes one version for good.
//!
//! Promises: when it answers 204 every later read and listing agrees. Deleting what is not there is 204
//! too. Conditions are compared at the range, in the one step that commits.
//! Steps: 1. one command (`engine.delete`).
//! Writes: a version row goes, or a delete marker's comes; a reap row for the blobs that nobody names now.
//! Acknowledged: when `engine.delete` has returned `Ok`.
//! After a crash: nothing is half done; the range's reaper deletes what the reap rows name.

use couronne_metadata::command::Precondition;
use couronne_metadata::ids::VersionId;
use http::HeaderValue;

use crate::engine;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, FrontError, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::object::deleting;
use crate::s3::ops::reading::{DELETE_MARKER, VERSION_ID};
use crate::s3::wire::values::header_value;
use crate::s3::wire::version_text::version_text;
use crate::s3::wire::{conditions, parameters};

/// Its parameters.
pub(crate) struct DeleteObject {
    version: Option<VersionId>,
    condition: Precondition,
    bypass_governance: bool,
}

impl Handler for DeleteObject {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        let bypass = request.header("x-amz-bypass-governance-retention")?;
        Ok(Self {
            version: parameters::version(request)?,
            condition: conditions::delete_condition(&request.headers)?,
            bypass_governance: bypass.is_some_and(|text| text.eq_ignore_ascii_case("true")),
        })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let operation = authorized.operation();
        let key = authorized.request().need_key()?;
        let delete = engine::DeleteObjectRequest {
            version: operation.version,
            condition: operation.condition.clone(),
            bypass_governance: operation.bypass_governance,
            owner: authorized.caller().account().id.clone(),
        };
        let outcome = gateway.engine.delete(authorized.resources(), key, delete).await;
        let deleted = outcome.map_err(|error| {
            FrontError::from(error).map(|error| conditions::name_failed(&operation.condition, error))
        })?;
        let shown = deleting::show(&deleted, operation.version);
        let mut response = Response::no_content();
        if shown.marker {
            response.headers.insert(DELETE_MARKER, HeaderValue::from_static("true"));
        }
        if let Some(version) = shown.version {
            response.headers.insert(VERSION_ID, header_value(&version_text(version)));
        }
        Ok(response)
    }
}
