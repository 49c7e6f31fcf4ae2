//! What DeleteObject and DeleteObjects share: how the outcome of one deletion is shown.

use couronne_metadata::ids::VersionId;
use couronne_metadata::record::VersionRecord;

use crate::engine::Deleted;

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
