//! What CopyObject and UploadPartCopy share: the source, its conditions, and how it is opened.
//!
//! Promises: source and target are both in the operation's resources, so both are authorized.

use couronne_metadata::ids::{ObjectKey, VersionId};
use couronne_metadata::record::{ObjectRecord, Versioning};
use http::{HeaderName, HeaderValue, Method};

use crate::engine::{Bucket, Engine, ObjectHandle};
use crate::front::resources::CopyBetween;
use crate::s3::address::{BucketName, Request};
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::ops::reading;
use crate::s3::wire::bucket_name;
use crate::s3::wire::conditions::ReadConditions;
use crate::s3::wire::copy_source::CopySource;
use crate::s3::wire::parameters::checked_version;
use crate::s3::wire::values::{header_text, header_value};
use crate::s3::wire::version_text::version_text;

/// The largest source of a whole copy or of one part, in bytes.
pub const SOURCE_BYTES_MAX: u64 = couronne_metadata::evaluate::BLOB_BYTES_MAX;

/// The source of a copy.
pub struct CopiedObject {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its version; `None` is the current one.
    pub version: Option<VersionId>,
    conditions: ReadConditions,
}

impl CopiedObject {
    /// Reads `x-amz-copy-source` and the conditions on it.
    pub fn parse(request: &Request) -> Result<Self> {
        let text = header_text(&request.headers, "x-amz-copy-source")?.unwrap_or_default();
        let invalid = |message: &'static str| S3Error::invalid_argument(message, "x-amz-copy-source", text);
        let source = CopySource::parse(text).map_err(invalid)?;
        // No bucket can have another name, so none is looked for.
        let bucket = Some(&source.bucket).filter(|name| bucket_name::is_valid(name));
        Ok(Self {
            bucket: BucketName::new(bucket.ok_or_else(|| invalid("Invalid copy source bucket name"))?)?,
            key: ObjectKey::new(source.key)?,
            version: source.version.as_deref().map(checked_version).transpose()?,
            conditions: ReadConditions::of_copy_source(&request.headers, request.received_us)?,
        })
    }

    /// Both buckets of the copy.
    pub fn resources(&self, request: &Request) -> Result<CopyBetween> {
        request.copy_from(&self.bucket)
    }

    /// Opens it and checks the conditions on it. A delete marker is no source.
    pub async fn open(&self, engine: &Engine, bucket: &Bucket) -> Executed<ObjectHandle> {
        let opened = reading::open(engine, bucket, &self.key, self.version, &Method::GET).await;
        let handle = opened.map_err(|error| error.map(|error| self.refused(error)))?;
        self.conditions.check_source(handle.record())?;
        Ok(handle)
    }

    fn refused(&self, error: S3Error) -> S3Error {
        match (error.code(), self.version) {
            (Code::MethodNotAllowed, Some(_)) => S3Error::with_message(
                Code::InvalidRequest,
                "The source of a copy request may not specifically refer to a delete marker by version id.",
            ),
            _ => error,
        }
    }
}

/// The header that names the version which was copied, if its bucket ever kept versions.
pub fn version_of(bucket: &Bucket, source: &ObjectRecord) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_static("x-amz-copy-source-version-id");
    let is_versioned = bucket.entry.rules.versioning != Versioning::Off;
    is_versioned.then(|| (name, header_value(&version_text(source.version))))
}
