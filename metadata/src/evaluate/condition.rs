//! Conditional writes: what `If-Match` and its kin ask of the version that a write would replace.

use crate::command::{EtagSet, Precondition, Refusal};
use crate::record::{Etag, ObjectRecord};

impl EtagSet {
    fn has(&self, etag: &Etag) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.contains(etag),
        }
    }
}

/// Checks the condition of a PUT, copy, completion or deletion against the version that would go. A key
/// behind a delete marker has none: `If-Match` is then refused as for a key that never was, as S3 does
/// (its guide says 412 of a deletion there; what it answers is 404). The conditions on date and size
/// hold of what does not exist.
pub(super) fn check(condition: &Precondition, target: Option<&ObjectRecord>) -> Result<(), Refusal> {
    let Some(target) = target else {
        return if condition.if_match.is_some() { Err(Refusal::NoSuchKey) } else { Ok(()) };
    };
    let matches = condition.if_match.as_ref().is_none_or(|tags| tags.has(&target.etag))
        && !condition.if_none_match.as_ref().is_some_and(|tags| tags.has(&target.etag))
        && condition.if_last_modified_s.is_none_or(|second| second == target.ordinal.0 / 1_000_000)
        && condition.if_size.is_none_or(|size| size == target.size);
    if matches { Ok(()) } else { Err(Refusal::PreconditionFailed) }
}
