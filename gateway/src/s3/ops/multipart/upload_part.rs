//! UploadPart: writes one part of an open upload.
//!
//! Promises: when it answers 200 the part is durable and matches every digest its sender gave; an earlier
//! part of the number is gone.
//! Steps: 1. the upload must be open, so that a body is not received for nothing; 2. the body is
//! received, hashed, cut, encoded and written (`engine.stage`); 3. one command commits the part
//! (`engine.put_part`), again if the bucket's rules changed meanwhile.
//! Writes: the shards of a blob's chunks, or a payload row if it is small; one part row.
//! Acknowledged: when `engine.put_part` has returned `Ok`.
//! After a crash: between 2 and 3 the blob is named by nobody; the disown horizon lets the drives delete it.

use couronne_metadata::ids::{PartNumber, UploadId};
use couronne_metadata::record::ChecksumAlgorithm;
use http::header::ETAG;

use crate::engine::BodySource;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::attributes;
use crate::s3::wire::etag::quoted_etag;
use crate::s3::wire::values::header_value;
use crate::s3::wire::{checksum, parameters};

/// Its parameters.
pub(crate) struct UploadPart {
    upload: UploadId,
    number: PartNumber,
}

impl Handler for UploadPart {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };

    fn parse(request: &Request) -> Result<Self> {
        attributes::refuse_encryption(&request.headers)?;
        Ok(Self { upload: parameters::upload(request)?, number: parameters::need_part_number(request)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        let Self { upload, number } = *authorized.operation();
        let key = authorized.request().need_key()?.clone();
        let record = gateway.engine.upload(authorized.resources(), &key, upload).await?;
        ask_checksum(body, record.checksum.map(|(algorithm, _)| algorithm))?;
        let staged = gateway.engine.stage(authorized.resources(), &key, body).await?;
        let (engine, sent) = (&gateway.engine, &staged);
        let commit =
            move |now: Authorized<Self>| async move { engine.put_part(now.resources(), sent, upload, number).await };
        let part = authorized.commit(gateway, commit).await?;
        let mut response = Response::ok().header(ETAG, header_value(&quoted_etag(&part.etag)));
        let shown = part.checksum.unwrap_or_else(|| checksum::of_crc64(staged.crc64()));
        checksum::part_into_headers(&shown, &mut response.headers);
        Ok(response)
    }
}

/// A part carries a checksum of its upload's algorithm, whether its sender gives the value or not; one of
/// another algorithm is refused.
fn ask_checksum(body: &mut Body<S3>, asked: Option<ChecksumAlgorithm>) -> Result<()> {
    let Some(asked) = asked else { return Ok(()) };
    match body.expected().checksum {
        Some(given) if given.algorithm != asked => {
            let [asked, given] = [asked, given.algorithm].map(|algorithm| checksum::name(algorithm).to_lowercase());
            let message = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {asked}, actual checksum Type: {given}"
            );
            Err(S3Error::with_message(Code::InvalidRequest, message))
        }
        _ => {
            body.want_checksum(asked);
            Ok(())
        }
    }
}
