//! UploadPartCopy: writes one part of an open upload of another object's bytes.
//!
//! Promises: source and target are both authorized; conditions on the source are checked against the
//! very version that is read.
//! Steps: 1. the upload must be open; 2. open the source; 3. the range is read, verified, hashed, cut,
//! encoded and written under the target's policy (`engine.stage_part`); 4. one command commits the part
//! (`engine.put_part`), again if the target's rules changed meanwhile.
//! Writes: as UploadPart, at the target.
//! Acknowledged: when `engine.put_part` has returned `Ok`.
//! After a crash: as UploadPart.

use std::ops::Range;

use couronne_metadata::ids::PartNumber;

use crate::front::resources::CopyBetween;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::attributes;
use crate::s3::ops::copying::{self, CopiedObject, SOURCE_BYTES_MAX};
use crate::s3::wire::checksum;
use crate::s3::wire::dates::iso_date;
use crate::s3::wire::etag::quoted_etag;
use crate::s3::wire::parameters::{self, NamedUpload};
use crate::s3::wire::range::RangeSpec;
use crate::s3::wire::xml::Writer;

/// Its parameters.
pub(crate) struct UploadPartCopy {
    upload: NamedUpload,
    number: PartNumber,
    source: CopiedObject,
    range: Option<(u64, u64)>,
}

impl Handler for UploadPartCopy {
    type Face = S3;
    type Resources = CopyBetween;

    fn parse(request: &Request) -> Result<Self> {
        attributes::refuse_encryption(&request.headers)?;
        Ok(Self {
            upload: NamedUpload::of(request),
            number: parameters::need_part_number(request)?,
            source: CopiedObject::parse(request)?,
            range: request.header("x-amz-copy-source-range")?.map(read_range).transpose()?,
        })
    }

    fn resources(&self, request: &Request) -> Result<CopyBetween> {
        self.source.resources(request)
    }

    async fn execute(mut authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        let operation = authorized.operation();
        let (upload, number) = (operation.upload.id()?, operation.number);
        let key = authorized.request().need_key()?.clone();
        let buckets = authorized.resources();
        let record = operation.upload.told(gateway.engine.upload(&buckets.target, &key, upload).await)?;
        let handle = operation.source.open(&gateway.engine, &buckets.source).await?;
        let range = operation.range_in(handle.record().size)?;
        let mut body = handle.body(range, record.checksum.map(|(algorithm, _)| algorithm)).await?;
        let staged = gateway.engine.stage_part(&buckets.target, &key, (upload, number), &mut body).await?;
        let (engine, sent) = (&gateway.engine, &staged);
        let commit = move |now: Authorized<Self>| async move {
            engine.put_part(&now.resources().target, sent, upload, number).await
        };
        let part = authorized.commit(gateway, commit).await?;
        let mut response = Response::xml(Writer::document("CopyPartResult", |xml| {
            xml.text("LastModified", &iso_date(part.ordinal));
            xml.text("ETag", &quoted_etag(&part.etag));
            checksum::write_part(xml, part.checksum.as_ref());
        }));
        let source = &authorized.resources().source;
        response.headers.extend(copying::version_of(source, handle.record()));
        Ok(response)
    }
}

/// Unlike `Range`, this header has one form only, and a malformed one is refused.
fn read_range(text: &str) -> Result<(u64, u64)> {
    match RangeSpec::parse(text) {
        Some(RangeSpec::Closed(first, last)) => Ok((first, last)),
        _ => Err(S3Error::invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
            "x-amz-copy-source-range",
            text,
        )),
    }
}

impl UploadPartCopy {
    fn range_in(&self, size: u64) -> Result<Range<u64>> {
        let range = match self.range {
            None => 0..size,
            Some((first, last)) if last < size => first..last.saturating_add(1),
            Some((first, last)) => {
                let message = format!("Range specified is not valid for source object of size: {size}");
                let (name, text) = ("x-amz-copy-source-range", format!("bytes={first}-{last}"));
                return Err(S3Error::invalid_argument(message, name, &text));
            }
        };
        if range.end - range.start > SOURCE_BYTES_MAX {
            let message =
                "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        Ok(range)
    }
}
