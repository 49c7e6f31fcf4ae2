//! What a request is about, for its event in the audit: read from the head alone, and from none of its credentials.
//!
//! Must not know: what becomes of the request.

use super::address::Request;
use super::wire::copy_source::CopySource;
use super::wire::values::header_text;
use crate::audit::{CopiedFrom, Subject};

/// What a request is about, but for its operation.
pub(super) fn of(request: &Request, copies: bool) -> Subject {
    let parameter = |name: &str| request.query.get(name).map(Into::into);
    Subject {
        face: "s3",
        bucket: request.bucket.as_ref().map(|bucket| bucket.as_str().into()),
        key: request.key.as_ref().map(|key| key.as_str().into()),
        version: parameter("versionId"),
        upload: parameter("uploadId"),
        source: if copies { source(request) } else { None },
        ..Subject::default()
    }
}

fn source(request: &Request) -> Option<CopiedFrom> {
    let header = header_text(&request.headers, "x-amz-copy-source").ok().flatten()?;
    let CopySource { bucket, key, version } = CopySource::parse(header).ok()?;
    Some(CopiedFrom {
        bucket: bucket.into(),
        key: String::from_utf8_lossy(&key).into(),
        version: version.map(Into::into),
    })
}
