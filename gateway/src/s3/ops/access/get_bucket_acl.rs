//! GetBucketAcl: the grants on a bucket, as they count.
//!
//! Promises: where lists do not count, or public grants do not, those that do not count are not shown, as on S3.
//! Steps: 1. find the names of owner and grantees; 2. write the document.
//! Writes: nothing.

use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::acl;
use crate::s3::ops::owner::Owners;

/// It has no parameters.
pub(crate) struct GetBucketAcl;

impl Handler for GetBucketAcl {
    type Face = S3;
    type Resources = InBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket_as_of_now()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let guarded = authorized.guarded(gateway, authorized.resources()).await?;
        let list = acl::counting(guarded.documents.acl.clone(), guarded.owner().canonical, &guarded);
        let mut owners = Owners::new(gateway, authorized.caller(), &guarded).await?;
        Ok(Response::xml(acl::write(&list, &mut owners).await?))
    }
}
