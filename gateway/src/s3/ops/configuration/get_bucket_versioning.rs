//! GetBucketVersioning: whether a bucket keeps versions.
//!
//! Promises: speaks of the rules as of now; a bucket that never kept versions has an empty document.
//! Steps: write the document.
//! Writes: nothing.

use couronne_metadata::record::Versioning;

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::wire::xml::Writer;

/// It has no parameters.
pub(crate) struct GetBucketVersioning;

impl Handler for GetBucketVersioning {
    type Face = S3;
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(authorized: Authorized<Self>, _: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let status = match authorized.resources().entry.rules.versioning {
            Versioning::Off => None,
            Versioning::Enabled => Some("Enabled"),
            Versioning::Suspended => Some("Suspended"),
        };
        Ok(Response::xml(Writer::document("VersioningConfiguration", |xml| xml.optional("Status", status))))
    }
}
