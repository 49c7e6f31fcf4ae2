//! What a bucket's owner wrote of the bucket: documents that stand in its registry row.
//!
//! Promises: a change is done when every range of the bucket knows that there was one, so that no request is carried out
//! after it that was decided by an older document.
//! Must not know: what a document says.

use bytes::Bytes;
use couronne_metadata::record::BucketEntry;

use super::{Bucket, Engine, EngineError};

/// A document of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BucketDocument {
    /// The bucket policy.
    Policy,
    /// The access control list.
    Acl,
    /// Who owns objects that other accounts write.
    OwnershipControls,
    /// What is kept from the public whatever policy and lists say.
    PublicAccessBlock,
    /// The tags.
    Tags,
}

impl BucketDocument {
    /// The number by which the document stands in the row.
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Policy => 1,
            Self::Acl => 2,
            Self::OwnershipControls => 3,
            Self::PublicAccessBlock => 4,
            Self::Tags => 5,
        }
    }

    fn of(self, entry: &BucketEntry) -> Option<&Bytes> {
        entry.documents.iter().find(|(number, _)| *number == self.number()).map(|(_, text)| text)
    }
}

impl Bucket {
    /// A document, as it was written.
    pub fn document(&self, document: BucketDocument) -> Option<&Bytes> {
        document.of(&self.entry)
    }
}

impl Engine {
    /// Writes a document, or removes it (`None`); removing one that is not there changes nothing. `StaleRules` if rules or
    /// documents are others already than those that the caller was authorized under.
    pub async fn put_document(
        &self,
        bucket: &Bucket,
        document: BucketDocument,
        text: Option<Bytes>,
    ) -> Result<(), EngineError> {
        let edit = |entry: &BucketEntry| {
            let others = entry.documents.iter().filter(|(number, _)| *number != document.number()).cloned();
            let documents = others.chain(text.clone().map(|text| (document.number(), text))).collect();
            Ok(BucketEntry { documents, ..entry.clone() })
        };
        if text.is_none() && bucket.document(document).is_none() {
            return Ok(());
        }
        self.update_entry(bucket, edit).await.map(|_| ())
    }
}
