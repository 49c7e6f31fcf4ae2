//! ListTagsForResource of S3 Control: the tags of a bucket, by its ARN.
//!
//! Promises: speaks of the tags as of now; of a bucket without any the list is empty.
//! Steps: write the document.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::wire::tags;
use crate::s3::wire::xml::Writer;

/// It has no parameters.
pub(crate) struct ListTagsForResource;

impl Handler for ListTagsForResource {
    type Face = S3;
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        super::check_owner(gateway, &authorized).await?;
        let found = super::tags_of(authorized.resources())?;
        Ok(Response::xml(Writer::document("ListTagsForResourceResult", |xml| tags::write_set(xml, "Tags", &found))))
    }
}
