//! The registry: one row per bucket name in the system bucket, which decides what the name means.
//!
//! ```text
//! bucket/<name>    BucketEntry
//! ```
//!
//! Promises: a row follows from the one before by a step of the life of a bucket: whichever gateway writes it, a bucket
//! keeps its id, its account, its policy and its object lock, its rules rise by one, and its name is free only once the
//! row said that it was dropped.
//! Must not know: whether the ranges of the bucket have those rules, or hold anything.

use bytes::Bytes;
use couronne_base::codec;

use crate::ids::ObjectKey;
use crate::record::{BucketEntry, BucketState};

/// What the keys of registry rows begin with.
pub const PREFIX: &str = "bucket/";

/// Whether a key of the system bucket is that of a registry row.
pub fn is_row(key: &ObjectKey) -> bool {
    key.as_bytes().starts_with(PREFIX.as_bytes())
}

/// Whether a row may take the place of another; `None` is no row.
pub fn may_follow(old: Option<&Bytes>, new: Option<&Bytes>) -> bool {
    let decoded = |row: Option<&Bytes>| row.map(codec::decode::<BucketEntry>).transpose();
    match (decoded(old), decoded(new)) {
        (Ok(old), Ok(new)) => follows(old.as_ref(), new.as_ref()),
        _ => false,
    }
}

fn follows(old: Option<&BucketEntry>, new: Option<&BucketEntry>) -> bool {
    match (old, new) {
        (None, None) => true,
        (None, Some(new)) => new.rules.state == BucketState::Creating && new.rules.version == 1,
        (Some(old), None) => old.rules.state == BucketState::Dropping,
        (Some(old), Some(new)) => {
            let keeps = (old.id, &old.account, old.created, old.rules.policy)
                == (new.id, &new.account, new.created, new.rules.policy);
            let keeps_lock = old.rules.object_lock.is_none() || new.rules.object_lock.is_some();
            let rise = match (old.rules.state, new.rules.state) {
                (BucketState::Creating, BucketState::Live) | (BucketState::Deleting, BucketState::Dropping) => 0,
                (BucketState::Live, BucketState::Live | BucketState::Deleting)
                | (BucketState::Deleting, BucketState::Live) => 1,
                _ => return false,
            };
            keeps && keeps_lock && old.rules.version.checked_add(rise) == Some(new.rules.version)
        }
    }
}
