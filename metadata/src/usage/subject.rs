//! What usage is counted for.
//!
//! ```text
//! bucket      01 ‖ bucket id (16)
//! account     02 ‖ canonical id ‖ 00
//! principal   03 ‖ id ‖ 00
//! ```
//! No subject begins another, so that what follows it in a row's key is told apart.

use crate::ids::BucketId;

/// What usage is counted for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A bucket.
    Bucket(BucketId),
    /// An account, by its canonical id: all that its buckets hold, by whichever principal it was written.
    Account(Box<str>),
    /// A principal: what it wrote, in buckets of any account. A user's unique id, or the canonical id of the account whose
    /// root wrote.
    Principal(Box<str>),
}

impl Subject {
    /// The subject as it stands in keys of rows.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Bucket(bucket) => [&[1][..], &bucket.to_bytes()].concat(),
            Self::Account(id) => [&[2], id.as_bytes(), &[0]].concat(),
            Self::Principal(id) => [&[3], id.as_bytes(), &[0]].concat(),
        }
    }
}
