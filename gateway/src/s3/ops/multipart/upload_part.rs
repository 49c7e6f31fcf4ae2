//! UploadPart: writes one part of an open upload.
//!
//! Promises: when it answers 200 the part is durable and matches every digest its sender gave; an earlier
//! part of the number is gone.
//! Steps: 1. the upload must be open, so that a body is not received for nothing; 2. the body is
//! received, hashed, cut, encoded and written (`engine.stage_part`); 3. one command commits the part
//! (`engine.put_part`), again if the bucket's rules changed meanwhile.
//! Writes: the shards of a blob's chunks, or a payload row if it is small; one part row.
//! Acknowledged: when `engine.put_part` has returned `Ok`.
//! After a crash: between 2 and 3 the blob is named by nobody; the disown horizon lets the drives delete it.

use couronne_metadata::ids::PartNumber;
use couronne_metadata::record::{ChecksumAlgorithm, ChecksumKind};
use http::header::ETAG;

use crate::engine::BodySource;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::attributes;
use crate::s3::wire::checksum;
use crate::s3::wire::etag::quoted_etag;
use crate::s3::wire::parameters::{self, NamedUpload};
use crate::s3::wire::values::header_value;

/// Its parameters.
pub(crate) struct UploadPart {
    upload: NamedUpload,
    number: PartNumber,
}

impl Handler for UploadPart {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };

    fn parse(request: &Request) -> Result<Self> {
        attributes::refuse_encryption(&request.headers)?;
        Ok(Self { upload: NamedUpload::of(request), number: parameters::need_part_number(request)? })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        let Self { upload: named, number } = authorized.operation();
        let (upload, number) = (named.id()?, *number);
        let key = authorized.request().need_key()?.clone();
        let record = named.told(gateway.engine.upload(authorized.resources(), &key, upload).await)?;
        ask_checksum(body, record.checksum)?;
        let staged = gateway.engine.stage_part(authorized.resources(), &key, (upload, number), body).await?;
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

/// A part carries a checksum of its upload's algorithm, and no other. Its sender has to give the value where the object's
/// is composed of the parts', as on S3; elsewhere it is computed.
fn ask_checksum(body: &mut Body<S3>, asked: Option<(ChecksumAlgorithm, ChecksumKind)>) -> Result<()> {
    let Some((asked, kind)) = asked else { return Ok(()) };
    let given = body.expected().checksum.map(|given| given.algorithm);
    if given.map_or(kind == ChecksumKind::Composite, |given| given != asked) {
        return Err(checksum::other_algorithm(asked, given));
    }
    body.want_checksum(asked);
    Ok(())
}
