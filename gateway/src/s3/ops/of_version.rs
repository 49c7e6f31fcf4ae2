//! Reading what is said of one version of an object: the steps that its ACL, tags, retention and legal hold share.
//!
//! Steps: 1. the bucket must be one that has it; 2. open the version; 3. write the document.
//! Writes: nothing.

use std::marker::PhantomData;

use couronne_metadata::ids::VersionId;

use crate::engine::{Bucket, ObjectHandle};
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::reading;
use crate::s3::wire::parameters;

/// What is read, and how it is written down.
pub(crate) trait VersionView: Send + Sync + 'static + Sized {
    /// Refuses a bucket whose objects have no such thing.
    fn check(_bucket: &Bucket) -> Result<()> {
        Ok(())
    }

    /// The answer.
    fn answer(
        authorized: &Authorized<OfVersion<Self>>,
        gateway: &Gateway<S3>,
        handle: &ObjectHandle,
    ) -> impl Future<Output = Executed<Response>> + Send;
}

/// The parameters of all of them.
pub(crate) struct OfVersion<S> {
    version: Option<VersionId>,
    said: PhantomData<S>,
}

impl<S: VersionView> Handler for OfVersion<S> {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { version: parameters::version(request)?, said: PhantomData })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let bucket = authorized.resources();
        S::check(bucket)?;
        let key = authorized.request().need_key()?;
        let handle =
            reading::open(&gateway.engine, bucket, key, authorized.operation().version, &authorized.request().method)
                .await?;
        S::answer(&authorized, gateway, &handle).await
    }
}
