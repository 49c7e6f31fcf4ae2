//! Reading what is said of one version of an object: the steps that its ACL, tags, retention and legal hold share.
//!
//! Steps: 1. the bucket must be one that has it; 2. open the version; 3. write the document.
//! Writes: nothing.

use std::marker::PhantomData;

use couronne_metadata::ids::VersionId;

use crate::authorize::{Authorized, InBucket};
use crate::body::Body;
use crate::engine::{Bucket, ObjectHandle};
use crate::pipeline::{Gateway, S3Operation};
use crate::request::Request;
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::{parameters, reading};

/// What is read, and how it is written down.
pub(crate) trait Said: Send + Sync + 'static + Sized {
    /// Refuses a bucket whose objects have no such thing.
    fn check(_bucket: &Bucket) -> Result<()> {
        Ok(())
    }

    /// The answer.
    fn answer(
        authorized: &Authorized<OfVersion<Self>>,
        gateway: &Gateway,
        handle: &ObjectHandle,
    ) -> impl Future<Output = Result<Response>> + Send;
}

/// The parameters of all of them.
pub(crate) struct OfVersion<S> {
    version: Option<VersionId>,
    said: PhantomData<S>,
}

impl<S: Said> S3Operation for OfVersion<S> {
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        Ok(Self { version: parameters::version(request)?, said: PhantomData })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        InBucket::of(request)
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway, _: &mut Body) -> Result<Response> {
        let bucket = authorized.resources();
        S::check(bucket)?;
        let key = authorized.request().need_key()?;
        let handle = reading::open(&gateway.engine, bucket, key, authorized.operation().version).await?;
        S::answer(&authorized, gateway, &handle).await
    }
}
