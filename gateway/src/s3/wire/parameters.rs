//! Parameters that several operations share: version, upload, part number.

use couronne_metadata::ids::{PartNumber, UploadId, VersionId};

use crate::s3::address::Request;
use crate::s3::error::{Code, Result, S3Error};
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

/// `uploadId`: an id that no upload can have is one that does not exist.
pub fn upload(request: &Request) -> Result<UploadId> {
    let text = request.query.get("uploadId").unwrap_or_default();
    parse_upload(text).ok_or_else(|| S3Error::new(Code::NoSuchUpload).detail("UploadId", text))
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
