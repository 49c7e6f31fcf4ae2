//! Parameters that several operations share: version, upload, part number.

use couronne_metadata::ids::{PartNumber, UploadId, VersionId};

use crate::engine::EngineError;
use crate::front::FrontError;
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::wire::version_text::parse_version;

/// `versionId`: the version that is meant; `None` for the current one.
pub fn version(request: &Request) -> Result<Option<VersionId>> {
    request.query.get("versionId").map(checked_version).transpose()
}

/// A version as a client names it.
pub fn checked_version(text: &str) -> Result<VersionId> {
    let message =
        if text.is_empty() { "Version id cannot be the empty string" } else { "Invalid version id specified" };
    parse_version(text).ok_or_else(|| S3Error::invalid_argument(message, "versionId", text))
}

/// `uploadId`: the upload that a request names.
#[derive(Clone, Debug)]
pub struct NamedUpload(Box<str>);

impl NamedUpload {
    /// Reads it.
    pub fn of(request: &Request) -> Self {
        Self(request.query.get("uploadId").unwrap_or_default().into())
    }

    /// Its id: one that no upload can have is one of an upload that does not exist. To be asked for once the bucket is
    /// known, for S3 tells first that a bucket is not there.
    pub fn id(&self) -> Result<UploadId> {
        parse_upload(&self.0).ok_or_else(|| self.name(Code::NoSuchUpload.into()))
    }

    /// An outcome about it: that the upload does not exist says which.
    pub fn told<T>(&self, outcome: std::result::Result<T, EngineError>) -> Executed<T> {
        outcome.map_err(|error| FrontError::from(error).map(|error| self.name(error)))
    }

    /// Names the upload in an error that is about one.
    pub fn name(&self, error: S3Error) -> S3Error {
        match error.code() {
            Code::NoSuchUpload | Code::InvalidPart => error.detail("UploadId", &*self.0),
            _ => error,
        }
    }
}

/// Reads an upload's id.
pub fn parse_upload(text: &str) -> Option<UploadId> {
    <[u8; 16]>::try_from(hex::decode(text).ok()?).ok().map(UploadId::from_bytes)
}

/// `partNumber`: 1 to 10,000.
pub fn part_number(request: &Request) -> Result<Option<PartNumber>> {
    request.query.get("partNumber").map(checked_part_number).transpose()
}

/// The `partNumber` of an operation that must have one.
pub fn need_part_number(request: &Request) -> Result<PartNumber> {
    checked_part_number(request.query.get("partNumber").unwrap_or_default())
}

/// A part number as a client writes it.
pub fn checked_part_number(text: &str) -> Result<PartNumber> {
    text.parse().ok().and_then(PartNumber::new).ok_or_else(|| {
        S3Error::invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", text)
    })
}
