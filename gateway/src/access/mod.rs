//! Access: may this principal do this? A pure decision.
//!
//! Promises: the answer depends on the [`Question`] alone, and never on whether a key exists, so that a denial tells
//! nothing of what is stored.
//! Must not know: HTTP, faces, how identities and buckets are kept.

/// A caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal<'a> {
    /// The canonical id of the account that the caller acts for.
    pub account: &'a str,
}

/// What is asked: may this principal carry out this action in a bucket of this owner?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The caller.
    pub principal: Principal<'a>,
    /// The action by its IAM name.
    pub action: &'static str,
    /// The canonical id of the account that owns the bucket.
    pub owner: &'a str,
}

/// The answer.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The principal may.
    Allow,
    /// The principal may not.
    Deny,
}

/// Decides. A bucket serves the users of the account that owns it, whatever the action, and nobody else.
pub fn decide(question: &Question<'_>) -> Decision {
    if question.principal.account == question.owner { Decision::Allow } else { Decision::Deny }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owners_account_alone_is_served() {
        for action in ["api:Get", "api:Put", "api:DeleteBucket"] {
            let ask = |account| decide(&Question { principal: Principal { account }, action, owner: "acme" });
            assert_eq!(ask("acme"), Decision::Allow, "{action}");
            for other in ["", "acm", "acme2", "ACME"] {
                assert_eq!(ask(other), Decision::Deny, "{action} by {other:?}");
            }
        }
    }
}
