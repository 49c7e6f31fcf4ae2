//! An object as a listing reads it: without what no listing shows.
//!
//! Most of the cost of a page is memory taken for metadata and tags that nobody looks at.

use crate::ids::{CommitId, Ordinal, VersionId};
use crate::record::{Attributes, Checksum, Content, Etag, ObjectRecord, Pair};
use couronne_base::codec::table::record;

/// An [`ObjectRecord`] whose attributes are the headers and the owner only. Same field numbers.
pub(crate) struct ListedObject {
    ordinal: Ordinal,
    version: VersionId,
    commit: CommitId,
    etag: Etag,
    size: u64,
    content: Content,
    attributes: ListedAttributes,
    checksum: Option<Checksum>,
}

struct ListedAttributes {
    headers: Vec<Pair>,
    owner: Box<str>,
}

record! { ListedObject {
    1 ordinal, 2 version, 3 commit, 4 etag, 5 size, 6 content, 7 attributes, 8 checksum
} }
record! { ListedAttributes { 1 headers, 4 owner } }

impl From<ListedObject> for ObjectRecord {
    fn from(listed: ListedObject) -> Self {
        let ListedAttributes { headers, owner } = listed.attributes;
        Self {
            ordinal: listed.ordinal,
            version: listed.version,
            commit: listed.commit,
            etag: listed.etag,
            size: listed.size,
            content: listed.content,
            attributes: Attributes { headers, owner, ..Attributes::default() },
            checksum: listed.checksum,
        }
    }
}
