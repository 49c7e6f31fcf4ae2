//! CompleteMultipartUpload: makes an object of an upload's parts.
//!
//! Promises: the object appears whole and at once, or not at all; repeating the request with the same
//! parts gives the same answer. Conditions are compared at the range, in the one step that commits.
//! Steps: 1. the document; 2. one command (`engine.complete_upload`), which compares every part.
//! Writes: one version row that names the upload's part rows; the upload row goes; a reap row for parts
//! left out. No chunks: the parts' blobs become the object's.
//! Acknowledged: when `engine.complete_upload` has returned `Ok`.
//! After a crash: nothing is half done.

use couronne_metadata::command::{CompletedPart, Precondition};
use couronne_metadata::ids::{PartNumber, UploadId};

use crate::engine::{CompleteUpload, Written};
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::{attributes, reading};
use crate::s3::wire::etag::{parse_etag, quoted_etag};
use crate::s3::wire::parameters::{self, checked_part_number};
use crate::s3::wire::values::NameEncoding;
use crate::s3::wire::xml::{self, Element, Writer};
use crate::s3::wire::{checksum, conditions};

/// The least size of every part but the last, in bytes.
const PART_BYTES_MIN: u64 = 5 << 20;

/// Its parameters, beside the document.
pub(crate) struct CompleteMultipartUpload {
    upload: UploadId,
    checksum: Option<bytes::Bytes>,
    size: Option<u64>,
    condition: Precondition,
}

impl Handler for CompleteMultipartUpload {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: false };

    fn parse(request: &Request) -> Result<Self> {
        attributes::refuse_encryption(&request.headers)?;
        let size = request.header("x-amz-mp-object-size")?;
        let invalid =
            |text| S3Error::invalid_argument("The object size is not a number.", "x-amz-mp-object-size", text);
        Ok(Self {
            upload: parameters::upload(request)?,
            checksum: checksum::of_headers(&request.headers)?.map(|(_, digest)| digest),
            size: size.map(|text| text.parse().map_err(|_| invalid(text))).transpose()?,
            condition: conditions::write_condition(&request.headers)?,
        })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        let sent = body.document(xml::document_bytes::COMPLETE_MAX).await?;
        let parts = read_parts(&xml::read_list(&sent, "CompleteMultipartUpload", "Part")?)?;
        let key = authorized.request().need_key()?.clone();
        let (engine, of_key, parts) = (&gateway.engine, &key, &parts);
        let commit = move |now: Authorized<Self>| async move {
            engine.complete_upload(now.resources(), of_key, now.operation().complete(parts.clone())).await
        };
        let written = authorized.commit(gateway, commit).await?;
        let mut response = Response::xml(document(authorized.request(), key.as_str(), &written)?);
        reading::insert_written(written.version, &mut response.headers);
        Ok(response)
    }
}

impl CompleteMultipartUpload {
    fn complete(&self, parts: Vec<CompletedPart>) -> CompleteUpload {
        CompleteUpload {
            upload: self.upload,
            parts,
            checksum: self.checksum.clone(),
            size: self.size,
            part_bytes_min: PART_BYTES_MIN,
            condition: self.condition.clone(),
        }
    }
}

fn read_parts(document: &Element) -> Result<Vec<CompletedPart>> {
    let parts: Vec<&Element> = document.children().iter().filter(|child| child.name() == "Part").collect();
    if parts.is_empty() || parts.len() > usize::from(PartNumber::MAX) {
        return Err(Code::MalformedXML.into());
    }
    parts.into_iter().map(read_part).collect()
}

fn read_part(part: &Element) -> Result<CompletedPart> {
    let number = checked_part_number(part.child_text("PartNumber").ok_or(Code::MalformedXML)?.trim())?;
    let etag = part.child_text("ETag").ok_or(Code::MalformedXML)?;
    let unknown =
        || S3Error::new(Code::InvalidPart).detail("PartNumber", number.get().to_string()).detail("ETag", etag);
    let checksum = checksum::of_element(part)?.map(|(_, digest)| digest);
    Ok(CompletedPart { number, etag: parse_etag(etag).ok_or_else(unknown)?, checksum })
}

fn document(request: &Request, key: &str, written: &Written) -> Result<String> {
    let bucket = request.need_bucket()?.as_str();
    let path = String::from_utf8_lossy(&request.path);
    let location = format!("http://{}{}", request.host, NameEncoding::Url.encode(path.as_bytes()));
    Ok(Writer::document("CompleteMultipartUploadResult", |xml| {
        xml.text("Location", &location);
        xml.text("Bucket", bucket);
        xml.text("Key", key);
        xml.text("ETag", &quoted_etag(&written.etag));
        checksum::write(xml, written.checksum.as_ref(), written.etag.parts);
    }))
}
