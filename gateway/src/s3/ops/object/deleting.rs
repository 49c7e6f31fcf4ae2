//! What DeleteObject and DeleteObjects share: what one deletion needs to be allowed, and how its outcome is shown.

use couronne_metadata::ids::VersionId;
use couronne_metadata::record::VersionRecord;

use crate::engine::Deleted;
use crate::s3::address::Request;

/// What a deletion did, in S3's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownDeletion {
    /// Whether a delete marker was added, or one was what was removed.
    pub marker: bool,
    /// The marker's version, or the version that was asked to be removed.
    pub version: Option<VersionId>,
}

/// The outcome of a deletion as answers show it; `asked` is the version that the client named.
pub fn show(deleted: &Deleted, asked: Option<VersionId>) -> ShownDeletion {
    match deleted.marker {
        Some(marker) => ShownDeletion { marker: true, version: Some(marker) },
        None => ShownDeletion {
            marker: asked.is_some() && matches!(deleted.removed, Some(VersionRecord::DeleteMarker { .. })),
            version: asked,
        },
    }
}

/// The actions that the deletion of a key, or of a version, needs to be allowed.
pub fn needs(request: &Request, has_version: bool) -> impl Iterator<Item = &'static str> {
    let delete = if has_version { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
    let value = request.headers.get("x-amz-bypass-governance-retention");
    let bypasses = value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    std::iter::once(delete).chain(bypasses.then_some("s3:BypassGovernanceRetention"))
}
