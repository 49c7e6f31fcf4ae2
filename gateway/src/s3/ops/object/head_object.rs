//! HeadObject: what GetObject would say of an object, without its bytes.
//!
//! Promises: the same status and headers as GetObject with the same parameters, except that no byte
//! is read.
//! Steps: 1. open the version; 2. conditions, range, part; 3. the head goes.
//! Writes: nothing.

use http::HeaderValue;
use http::header::CONTENT_LENGTH;

use crate::front::resources::InBucket;
use crate::front::response::ResponseBody;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::reading::{self, ReadParameters};

/// Its parameters.
pub(crate) struct HeadObject(ReadParameters);

impl Handler for HeadObject {
    type Face = S3;
    type Resources = InBucket;

    fn parse(request: &Request) -> Result<Self> {
        ReadParameters::parse(request).map(Self)
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let Self(parameters) = authorized.operation();
        let bucket = authorized.resources();
        let key = authorized.request().need_key()?;
        let handle =
            reading::open(&gateway.engine, bucket, key, parameters.version, &authorized.request().method).await?;
        let selection = parameters.select(&handle).await?;
        let (status, mut headers) = parameters.describe(bucket, handle.record(), &selection);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(selection.range.end - selection.range.start));
        Ok(Response { status, headers, body: ResponseBody::Empty })
    }
}
