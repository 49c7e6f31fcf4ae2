//! The kinds of policies, and how long each may be.

/// What a document is to be the policy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind<'a> {
    /// A managed policy: for identities, and as a permissions boundary.
    Managed,
    /// A policy that stands in a user, a group or a role. How long all of one identity may be together is the caller's
    /// to say.
    Inline,
    /// What narrows a session or an access key.
    Session,
    /// Of the bucket of this name.
    Bucket(&'a str),
    /// Of a role: who may take it.
    Trust,
}

impl PolicyKind<'_> {
    /// Whether it stands with a resource and names principals.
    pub const fn is_of_resource(self) -> bool {
        matches!(self, Self::Bucket(_) | Self::Trust)
    }

    /// The most it may have: of a bucket's policy bytes without white space between its tokens, of others characters
    /// without white space (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
    pub const fn length_max(self) -> usize {
        match self {
            Self::Bucket(_) => 20 * 1024,
            Self::Managed => 6_144,
            Self::Inline => 10_240,
            Self::Session | Self::Trust => 2_048,
        }
    }
}
