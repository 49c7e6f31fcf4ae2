//! What a request is about, for its event in the audit: read from the head alone, and from none of its credentials.
//!
//! Must not know: what becomes of the request.

use super::address::Request;
use super::operation::Operation;
use super::wire::copy_source::CopySource;
use super::wire::values::header_text;
use crate::audit::{CopiedFrom, Subject};
use crate::front::FaceOperation as _;

/// What a request is about.
pub(super) fn of(request: &Request, operation: Option<Operation>) -> Subject {
    let parameter = |name: &str| request.query.get(name).map(Into::into);
    let copies = operation.is_some_and(|operation| operation.served().source_action.is_some());
    Subject {
        face: "s3",
        operation: operation.map(|operation| operation.name()),
        action: operation.map(|operation| operation.served().action),
        changes: operation.is_some_and(|operation| operation.changes()),
        bucket: request.bucket.as_ref().map(|bucket| bucket.as_str().into()),
        key: request.key.as_ref().map(|key| key.as_str().into()),
        version: parameter("versionId"),
        upload: parameter("uploadId"),
        source: if copies { source(request) } else { None },
        parameters: Vec::new(),
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
