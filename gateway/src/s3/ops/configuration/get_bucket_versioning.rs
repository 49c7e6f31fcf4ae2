//! GetBucketVersioning: whether a bucket keeps versions.
//!
//! Promises: speaks of the rules as of now; a bucket that never kept versions has an empty document.
//! Steps: write the document.
//! Writes: nothing.

use couronne_metadata::record::Versioning;

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::xml::Writer;

/// It has no parameters.
pub(crate) struct GetBucketVersioning;

impl S3Operation for GetBucketVersioning {
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::as_of_now(request)
    }

    async fn execute(authorized: Authorized<Self>, _: &Gateway, _: &mut Body) -> Result<Response> {
        let status = match authorized.resources().entry.rules.versioning {
            Versioning::Off => None,
            Versioning::Enabled => Some("Enabled"),
            Versioning::Suspended => Some("Suspended"),
        };
        Ok(Response::xml(Writer::document("VersioningConfiguration", |xml| xml.optional("Status", status))))
    }
}
