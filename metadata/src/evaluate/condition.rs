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

/// Checks a PUT's, copy's or completion's condition against the current object. A key behind a delete
/// marker has none: `If-Match` is then refused as for a key that never was, as S3 does.
pub(super) fn check_write(condition: &Precondition, current: Option<&ObjectRecord>) -> Result<(), Refusal> {
    if condition.if_match.is_some() && current.is_none() {
        return Err(Refusal::NoSuchKey);
    }
    check(condition, current)
}

/// Checks a deletion's condition against the version it would delete. Without any version `If-Match`
/// is refused as `NoSuchKey`, behind a delete marker as failed; the conditions on date and size hold
/// of what does not exist (both as S3 documents them).
pub(super) fn check_delete(
    condition: &Precondition,
    target: Option<&ObjectRecord>,
    behind_marker: bool,
) -> Result<(), Refusal> {
    if condition.if_match.is_some() && target.is_none() {
        return Err(if behind_marker { Refusal::PreconditionFailed } else { Refusal::NoSuchKey });
    }
    check(condition, target)
}

fn check(condition: &Precondition, target: Option<&ObjectRecord>) -> Result<(), Refusal> {
    let Some(target) = target else { return Ok(()) };
    let matches = condition.if_match.as_ref().is_none_or(|tags| tags.has(&target.etag))
        && !condition.if_none_match.as_ref().is_some_and(|tags| tags.has(&target.etag))
        && condition.if_last_modified_s.is_none_or(|second| second == target.ordinal.0 / 1_000_000)
        && condition.if_size.is_none_or(|size| size == target.size);
    if matches { Ok(()) } else { Err(Refusal::PreconditionFailed) }
}
