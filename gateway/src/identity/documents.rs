//! The documents of policies as identities keep them: that each is a policy of its kind, and how long they are together.
//!
//! Must not know: what a document says.

use couronne_metadata::system::identity::InlinePolicy;

use super::IdentityError;
use crate::access::policy::{Policy, PolicyError, PolicyFault, PolicyKind};

/// Whether a document may be kept.
pub(super) fn check_document(kind: PolicyKind<'_>, text: &str) -> Result<(), IdentityError> {
    match Policy::parse(text, kind) {
        Ok(_) => Ok(()),
        Err(PolicyError { fault: PolicyFault::TooLong(max), .. }) => {
            Err(IdentityError::Limit { what: "characters of a policy, white space not counted,", max })
        }
        Err(error) => Err(IdentityError::MalformedPolicy(error)),
    }
}

/// Whether inline policies may stand together in one row: `max` is of all their characters, white space not counted.
pub(super) fn check_inline(policies: &[InlinePolicy], max: usize) -> Result<(), IdentityError> {
    if policies.iter().map(|policy| counted_characters(&policy.document)).sum::<usize>() > max {
        return Err(IdentityError::Limit { what: "characters of inline policies, white space not counted,", max });
    }
    Ok(())
}

fn counted_characters(text: &str) -> usize {
    text.chars().filter(|character| !character.is_whitespace()).count()
}
