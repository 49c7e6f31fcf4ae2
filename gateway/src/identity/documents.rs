//! The documents of policies as identities keep them: their sizes, and that they are JSON objects at all.
//!
//! Must not know: what a document says.

use couronne_metadata::system::identity::InlinePolicy;

use super::IdentityError;

/// The longest document of a managed policy, in characters that are no white space.
const MANAGED_MAX: usize = 6_144;

/// The longest trust policy of a role, likewise.
const TRUST_MAX: usize = 2_048;

/// The longest policy of an access key, likewise.
const SESSION_MAX: usize = 2_048;

/// Which rules a document has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentKind {
    /// Of a managed policy.
    Managed,
    /// Of an inline policy; how long all of its user, group or role may be together is looked at apart.
    Inline,
    /// The trust policy of a role.
    Trust,
    /// The policy of an access key.
    Session,
}

/// Whether a document may be kept.
pub(super) fn check_document(kind: DocumentKind, text: &str) -> Result<(), IdentityError> {
    let max = match kind {
        DocumentKind::Managed => MANAGED_MAX,
        DocumentKind::Trust => TRUST_MAX,
        DocumentKind::Session => SESSION_MAX,
        DocumentKind::Inline => usize::MAX,
    };
    if counted_characters(text) > max {
        return Err(IdentityError::Limit { what: "characters of a policy, white space not counted,", max });
    }
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(IdentityError::MalformedPolicy("it is no JSON object")),
        Err(_) => Err(IdentityError::MalformedPolicy("it is no JSON")),
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
