//! CompleteMultipartUpload: makes an object of an upload's parts.
//!
//! Promises: the object appears whole and at once, or not at all; repeating the request with the same
//! parts gives the same answer. Conditions are compared at the range, in the one step that commits.
//! Steps: 1. the document; 2. the upload, if it is still open: whether the checksums are of the kind that it asked for;
//! 3. one command (`engine.complete_upload`), which compares every part.
//! Writes: one version row that names the upload's part rows; the upload row goes; a reap row for parts
//! left out. No chunks: the parts' blobs become the object's.
//! Acknowledged: when `engine.complete_upload` has returned `Ok`.
//! After a crash: nothing is half done.

use couronne_metadata::command::{CompletedPart, Precondition, Refusal};
use couronne_metadata::ids::{PartNumber, UploadId};
use couronne_metadata::record::{ChecksumAlgorithm, ChecksumKind, UploadRecord};

use crate::engine::{CompleteUpload, EngineError, Written};
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::ops::{attributes, location, reading};
use crate::s3::wire::checksum::{self, ObjectChecksum};
use crate::s3::wire::conditions;
use crate::s3::wire::etag::{etag_text, parse_etag, quoted_etag};
use crate::s3::wire::parameters::{NamedUpload, checked_part_number};
use crate::s3::wire::xml::{self, Element, Writer};

/// The least size of every part but the last, in bytes.
const PART_BYTES_MIN: u64 = 5 << 20;

/// Its parameters, beside the document.
pub(crate) struct CompleteMultipartUpload {
    upload: NamedUpload,
    checksum: Option<ObjectChecksum>,
    kind: Option<ChecksumKind>,
    size: Option<u64>,
    condition: Precondition,
}

impl Handler for CompleteMultipartUpload {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: false };

    fn parse(request: &Request) -> Result<Self> {
        attributes::refuse_encryption(&request.headers)?;
        Ok(Self {
            upload: NamedUpload::of(request),
            checksum: checksum::of_object(&request.headers)?,
            kind: checksum::parse_kind(&request.headers)?,
            size: request.header("x-amz-mp-object-size")?.map(read_size).transpose()?,
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
        let upload = authorized.operation().upload.id()?;
        match gateway.engine.upload(authorized.resources(), &key, upload).await {
            Ok(record) => authorized.operation().check(&record, &parts)?,
            // It was completed before, or was never there: the range tells which.
            Err(EngineError::Refused(Refusal::NoSuchUpload)) => {}
            Err(error) => return Err(error.into()),
        }
        let (engine, of_key, named) = (&gateway.engine, &key, &parts);
        let commit = move |now: Authorized<Self>| async move {
            let complete = now.operation().complete(upload, named.clone());
            match engine.complete_upload(now.resources(), of_key, complete).await {
                Err(EngineError::Refused(refusal)) => Ok(Err(refusal)),
                outcome => outcome.map(Ok),
            }
        };
        let outcome = authorized.commit(gateway, commit).await?;
        let written = outcome.map_err(|refusal| authorized.operation().refused(refusal, &parts))?;
        let mut response = Response::xml(document(authorized.request(), key.as_str(), &written)?);
        reading::insert_written(written.version, &mut response.headers);
        Ok(response)
    }
}

impl CompleteMultipartUpload {
    fn complete(&self, upload: UploadId, parts: Vec<CompletedPart>) -> CompleteUpload {
        CompleteUpload {
            upload,
            parts,
            checksum: self.checksum.as_ref().map(|checksum| checksum.value.clone()),
            size: self.size,
            part_bytes_min: PART_BYTES_MIN,
            condition: self.condition.clone(),
        }
    }

    /// Whether what is said of checksums is of the kind that the upload asked for.
    fn check(&self, record: &UploadRecord, parts: &[CompletedPart]) -> Result<()> {
        let default = (ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject);
        let (algorithm, kind) = record.checksum.unwrap_or(default);
        if self.kind.is_some_and(|said| said != kind) {
            let message = format!(
                "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
                checksum::kind_name(kind)
            );
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        if let Some(said) = &self.checksum {
            let of_parts = (kind == ChecksumKind::Composite).then_some(parts.len());
            if said.algorithm != algorithm || (said.parts.is_some() && said.parts != of_parts) {
                return Err(checksum::mismatch(said.algorithm));
            }
        }
        match parts.iter().find(|part| kind == ChecksumKind::Composite && part.checksum.is_none()) {
            None => Ok(()),
            Some(part) => {
                let message = format!(
                    "The upload was created using a {} checksum. The complete request must include the checksum for \
                     each part. It was missing for part {} in the request.",
                    checksum::name(algorithm).to_lowercase(),
                    part.number.get()
                );
                Err(S3Error::with_message(Code::InvalidRequest, message))
            }
        }
    }

    /// What the range refused, with what the client said of it.
    fn refused(&self, refusal: Refusal, parts: &[CompletedPart]) -> S3Error {
        let about = match refusal {
            Refusal::InvalidPart(number) | Refusal::EntityTooSmall { number, .. } => Some(number),
            _ => None,
        };
        let is_small = matches!(refusal, Refusal::EntityTooSmall { .. });
        let mut error = match (&refusal, &self.checksum) {
            (Refusal::BadDigest, Some(said)) => checksum::mismatch(said.algorithm),
            _ => S3Error::from(refusal),
        };
        if is_small {
            error = error.detail("MinSizeAllowed", PART_BYTES_MIN.to_string());
        }
        let said = parts.iter().find(|part| Some(part.number) == about).and_then(|part| part.etag);
        if let Some(etag) = said {
            error = error.detail("ETag", etag_text(&etag));
        }
        conditions::name_failed(&self.condition, self.upload.name(error))
    }
}

fn read_size(text: &str) -> Result<u64> {
    let number: i64 = text.parse().map_err(|_| {
        let message = format!("Value for x-amz-mp-object-size header is invalid: '{text}'");
        S3Error::with_message(Code::InvalidRequest, message)
    })?;
    u64::try_from(number).map_err(|_| {
        let message = format!("Value for x-amz-mp-object-size header is less than zero: '{text}'");
        S3Error::with_message(Code::InvalidRequest, message)
    })
}

fn read_parts(document: &Element) -> Result<Vec<CompletedPart>> {
    let parts: Vec<&Element> = document.children().iter().filter(|child| child.name() == "Part").collect();
    if parts.is_empty() || parts.len() > usize::from(PartNumber::MAX) {
        return Err(Code::MalformedXML.into());
    }
    parts.into_iter().map(read_part).collect()
}

/// A tag that no part can have is for the range to refuse, which knows whether there is such an upload.
fn read_part(part: &Element) -> Result<CompletedPart> {
    let number = checked_part_number(part.child_text("PartNumber").ok_or(Code::MalformedXML)?.trim())?;
    let etag = parse_etag(part.child_text("ETag").ok_or(Code::MalformedXML)?);
    Ok(CompletedPart { number, etag, checksum: checksum::of_element(part)? })
}

fn document(request: &Request, key: &str, written: &Written) -> Result<String> {
    let bucket = request.need_bucket()?.as_str();
    let location = location::of_object(request)?;
    Ok(Writer::document("CompleteMultipartUploadResult", |xml| {
        xml.text("Location", &location);
        xml.text("Bucket", bucket);
        xml.text("Key", key);
        xml.text("ETag", &quoted_etag(&written.etag));
        checksum::write(xml, written.checksum.as_ref(), written.etag.parts);
    }))
}
