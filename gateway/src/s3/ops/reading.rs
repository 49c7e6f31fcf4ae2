//! What the reads of an object share: opening it, choosing the bytes, describing it in headers.
//!
//! Promises: conditions are checked against the very version whose bytes are sent.
//! Must not know: how bytes are stored or sent.

use std::ops::Range;

use couronne_metadata::command::Refusal;
use couronne_metadata::ids::{ObjectKey, PartNumber, VersionId};
use couronne_metadata::record::{Checksum, ObjectRecord, Versioning};
use http::header::{ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_RANGE, ETAG, EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::engine::{Bucket, Engine, EngineError, ObjectHandle};
use crate::front::Response;
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::ops::attributes;
use crate::s3::wire::conditions::{self, ReadConditions};
use crate::s3::wire::dates::http_date;
use crate::s3::wire::etag::quoted_etag;
use crate::s3::wire::range::RangeSpec;
use crate::s3::wire::values::header_value;
use crate::s3::wire::version_text::version_text;
use crate::s3::wire::{checksum, parameters};

/// The response header that names a version.
pub const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
/// The response header that tells a delete marker.
pub const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");
const PARTS_COUNT: HeaderName = HeaderName::from_static("x-amz-mp-parts-count");

/// Query parameters that replace response headers.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
    ("response-content-language", "content-language"),
    ("response-content-type", "content-type"),
    ("response-expires", "expires"),
];

/// Opens the version of a key that is to be read. A delete marker is answered as S3 does: the key is not
/// there (404), or, when the marker itself was named, it cannot be read (405).
pub async fn open(
    engine: &Engine,
    bucket: &Bucket,
    key: &ObjectKey,
    version: Option<VersionId>,
    method: &Method,
) -> Executed<ObjectHandle> {
    engine.open(bucket, key, version).await.map_err(|error| match error {
        EngineError::DeleteMarker { version: marker, ordinal } => {
            let error = match version {
                None => S3Error::new(Code::NoSuchKey).detail("Key", key.as_str()),
                Some(_) => S3Error::new(Code::MethodNotAllowed)
                    .detail("Method", method.as_str())
                    .detail("ResourceType", "DeleteMarker")
                    .header(ALLOW, HeaderValue::from_static("DELETE"))
                    .header(LAST_MODIFIED, header_value(&http_date(ordinal))),
            };
            let error = error.header(DELETE_MARKER, HeaderValue::from_static("true"));
            error.header(VERSION_ID, header_value(&version_text(marker))).into()
        }
        EngineError::Refused(Refusal::NoSuchKey | Refusal::NoSuchVersion) => match version {
            None => S3Error::new(Code::NoSuchKey).detail("Key", key.as_str()).into(),
            Some(version) => {
                let error = S3Error::new(Code::NoSuchVersion).detail("Key", key.as_str());
                error.detail("VersionId", version_text(version)).into()
            }
        },
        other => other.into(),
    })
}

/// The parameters of GetObject and HeadObject.
pub struct ReadParameters {
    /// The version; `None` is the current one.
    pub version: Option<VersionId>,
    conditions: ReadConditions,
    /// The range, and as it was sent.
    range: Option<(RangeSpec, Box<str>)>,
    if_range: Option<String>,
    part: Option<PartNumber>,
    checksum_mode: bool,
    overrides: Vec<(&'static str, HeaderValue)>,
}

/// The bytes of an object that an answer is about.
pub struct Selection {
    /// Their offsets in the object.
    pub range: Range<u64>,
    /// Whether the answer is less than the stored object, or one part: 206.
    partial: bool,
    /// How many parts the object has, if one was asked for.
    parts: Option<u16>,
    /// The checksum of just these bytes, and of how many parts if it is composed of theirs.
    checksum: Option<(Checksum, Option<u16>)>,
}

impl ReadParameters {
    /// Reads them from query and headers.
    pub fn parse(request: &Request) -> Result<Self> {
        let range = request.header("range")?;
        let part = parameters::part_number(request)?;
        if range.is_some() && part.is_some() {
            let message = "Cannot specify both Range header and partNumber query parameter";
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        attributes::refuse_encryption(&request.headers)?;
        Ok(Self {
            version: parameters::version(request)?,
            conditions: ReadConditions::of_read(&request.headers, request.received_us)?,
            range: range.and_then(|text| Some((RangeSpec::parse(text)?, text.into()))),
            if_range: request.header("if-range")?.map(str::to_owned),
            part,
            checksum_mode: request.header("x-amz-checksum-mode")?.is_some_and(|m| m.eq_ignore_ascii_case("ENABLED")),
            overrides: overrides(request)?,
        })
    }

    /// Checks the conditions and chooses the bytes.
    pub async fn select(&self, handle: &ObjectHandle) -> Executed<Selection> {
        let record = handle.record();
        self.conditions.check(record).map_err(|error| self.describe_unmodified(error, record))?;
        if let Some(number) = self.part {
            let part = handle.part(number).await?.ok_or_else(|| no_such_part(number, record))?;
            let partial = record.size > 0;
            let checksum = part_checksum(part.checksum, part.count, record).map(|checksum| (checksum, None));
            return Ok(Selection { range: part.range, partial, parts: part.count, checksum });
        }
        let current = self.if_range.as_deref().is_none_or(|text| conditions::if_range_holds(text, record));
        let is_asked = |(range, _): &&(RangeSpec, Box<str>)| current && !range.is_all_of(record.size);
        let Some((range, asked)) = self.range.as_ref().filter(is_asked) else {
            let checksum = checksum::of_record(record).map(|checksum| (checksum, record.etag.parts));
            return Ok(Selection { range: 0..record.size, partial: false, parts: None, checksum });
        };
        let range = range.resolve(record.size).ok_or_else(|| {
            S3Error::new(Code::InvalidRange)
                .detail("RangeRequested", &**asked)
                .detail("ActualObjectSize", record.size.to_string())
                .header(CONTENT_RANGE, header_value(&format!("bytes */{}", record.size)))
        })?;
        Ok(Selection { range, partial: true, parts: None, checksum: None })
    }

    /// Says in a `NotModified` what a cache needs: of what the answer would have said, what RFC 9110 (15.4.5) names, and
    /// the date.
    fn describe_unmodified(&self, error: S3Error, record: &ObjectRecord) -> S3Error {
        if error.code() != Code::NotModified {
            return error;
        }
        let mut headers = HeaderMap::new();
        attributes::into_headers(&record.attributes, &mut headers);
        self.override_headers(&mut headers);
        let error = error
            .header(ETAG, header_value(&quoted_etag(&record.etag)))
            .header(LAST_MODIFIED, header_value(&http_date(record.ordinal)));
        [CACHE_CONTROL, EXPIRES].into_iter().fold(error, |error, name| match headers.remove(&name) {
            Some(value) => error.header(name, value),
            None => error,
        })
    }

    fn override_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.overrides {
            headers.insert(*name, value.clone());
        }
    }

    /// The answer's status and headers, without its length and body.
    pub fn describe(&self, bucket: &Bucket, record: &ObjectRecord, selection: &Selection) -> (StatusCode, HeaderMap) {
        let mut headers = HeaderMap::new();
        attributes::into_headers(&record.attributes, &mut headers);
        headers.insert(ETAG, header_value(&quoted_etag(&record.etag)));
        headers.insert(LAST_MODIFIED, header_value(&http_date(record.ordinal)));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        insert_version(bucket, record.version, &mut headers);
        if let Some(parts) = selection.parts {
            headers.insert(PARTS_COUNT, HeaderValue::from(parts));
        }
        if let Some((checksum, parts)) = selection.checksum.as_ref().filter(|_| self.checksum_mode) {
            checksum::into_headers(Some(checksum), *parts, &mut headers);
        }
        self.override_headers(&mut headers);
        if !selection.partial {
            return (StatusCode::OK, headers);
        }
        let Range { start, end } = selection.range;
        let content_range = format!("bytes {start}-{}/{}", end.saturating_sub(1), record.size);
        headers.insert(CONTENT_RANGE, header_value(&content_range));
        (StatusCode::PARTIAL_CONTENT, headers)
    }
}

fn no_such_part(number: PartNumber, record: &ObjectRecord) -> S3Error {
    S3Error::new(Code::InvalidPartNumber)
        .detail("PartNumberRequested", number.get().to_string())
        .detail("ActualPartCount", record.etag.parts.unwrap_or(1).to_string())
}

/// A part's own checksum, shown under its object's kind as S3 does; an object without parts is its part 1.
fn part_checksum(own: Option<Checksum>, count: Option<u16>, record: &ObjectRecord) -> Option<Checksum> {
    match count {
        None => checksum::of_record(record),
        Some(_) => {
            let kind = record.checksum.as_ref().map(|checksum| checksum.kind);
            own.map(|own| Checksum { kind: kind.unwrap_or(own.kind), ..own })
        }
    }
}

/// Names the version of an answer, if the bucket ever kept versions.
pub fn insert_version(bucket: &Bucket, version: VersionId, headers: &mut HeaderMap) {
    if bucket.entry.rules.versioning != Versioning::Off {
        headers.insert(VERSION_ID, header_value(&version_text(version)));
    }
}

/// Names the version that a write made. The `null` version of a bucket that keeps none is not named.
pub fn insert_written(version: VersionId, headers: &mut HeaderMap) {
    if version != VersionId::Null {
        headers.insert(VERSION_ID, header_value(&version_text(version)));
    }
}

/// Names the version that a change in place was asked of.
#[must_use]
pub fn versioned(response: Response, version: Option<VersionId>) -> Response {
    match version {
        Some(version) => response.header(VERSION_ID, header_value(&version_text(version))),
        None => response,
    }
}

fn overrides(request: &Request) -> Result<Vec<(&'static str, HeaderValue)>> {
    let mut found = Vec::new();
    for (parameter, header) in OVERRIDES {
        let Some(text) = request.query.get(parameter) else { continue };
        let value = HeaderValue::from_bytes(text.as_bytes());
        let invalid = |_| S3Error::invalid_argument("The header value is not valid.", parameter, text);
        found.push((header, value.map_err(invalid)?));
    }
    Ok(found)
}
