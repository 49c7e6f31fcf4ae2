//! The tags of a bucket, as they stand with it.
//!
//! Must not know: what tags a bucket may have.

use bytes::Bytes;
use couronne_base::codec;
use couronne_base::codec::table::record;

use super::{Bucket, BucketDocument, EngineError};

/// Keys and values.
type TagPairs = Vec<(Box<str>, Box<str>)>;

struct TagDocument {
    tags: TagPairs,
}

record! { TagDocument { 1 tags } }

impl BucketDocument {
    /// The document [`BucketDocument::Tags`] of a bucket that has these.
    pub fn of_tags(tags: TagPairs) -> Bytes {
        codec::encode(&TagDocument { tags })
    }
}

impl Bucket {
    /// Its tags; `None`: it has none.
    pub fn tags(&self) -> Result<Option<TagPairs>, EngineError> {
        let Some(document) = self.document(BucketDocument::Tags) else { return Ok(None) };
        let decoded = codec::decode::<TagDocument>(document);
        decoded
            .map(|document| Some(document.tags))
            .map_err(|error| EngineError::Corrupt(format!("bucket tags: {error}")))
    }
}
