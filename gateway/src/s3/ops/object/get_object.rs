//! GetObject: an object's bytes, whole, as a range or as a part.
//!
//! Promises: every byte sent was verified; conditions, headers and bytes are of one version. If the
//! bytes cannot be given back after the head has gone, the connection is cut, never padded.
//! Steps: 1. open the version (its record, small bytes along); 2. conditions, range, part; 3. the first
//! bytes are read and verified; 4. the head goes, then the bytes.
//! Writes: nothing.

use futures_util::stream;

use crate::engine::{BlobReader, EngineError};
use crate::front::resources::InBucket;
use crate::front::response::{BodyStream, ResponseBody, StreamError};
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::reading::{self, ReadParameters};

/// How often an object that is replaced while it is being opened is opened again.
const OPENINGS_MAX: u32 = 4;

/// Its parameters.
pub(crate) struct GetObject(ReadParameters);

impl Handler for GetObject {
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
        for _ in 0..OPENINGS_MAX {
            let handle =
                reading::open(&gateway.engine, bucket, key, parameters.version, &authorized.request().method).await?;
            let selection = parameters.select(&handle).await?;
            let (status, headers) = parameters.describe(bucket, handle.record(), &selection);
            match handle.read(selection.range).await {
                Ok(reader) => {
                    let body = ResponseBody::Stream { len: reader.left(), stream: bytes_of(reader) };
                    return Ok(Response { status, headers, body });
                }
                Err(EngineError::ObjectChanged) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Code::ServiceUnavailable.into())
    }
}

fn bytes_of(reader: BlobReader) -> BodyStream {
    Box::pin(stream::try_unfold(reader, |mut reader| async {
        let next = reader.next().await.map_err(|error| StreamError(Box::new(error)))?;
        Ok(next.map(|bytes| (bytes, reader)))
    }))
}
