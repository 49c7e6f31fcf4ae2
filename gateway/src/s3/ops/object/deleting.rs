//! What DeleteObject and DeleteObjects share: how the outcome of one deletion is told.

use couronne_metadata::ids::VersionId;
use couronne_metadata::record::VersionRecord;

use crate::engine::Deleted;

/// What a deletion did, in S3's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether a delete marker was added, or one was what was removed.
    pub marker: bool,
    /// The marker's version, or the version that was asked to be removed.
    pub version: Option<VersionId>,
}

/// Tells the outcome of a deletion; `asked` is the version that the client named.
pub fn tell(deleted: &Deleted, asked: Option<VersionId>) -> Told {
    match deleted.marker {
        Some(marker) => Told { marker: true, version: Some(marker) },
        None => Told {
            marker: asked.is_some() && matches!(deleted.removed, Some(VersionRecord::DeleteMarker { .. })),
            version: asked,
        },
    }
}
