//! Why a verb on identities did not do it.
//!
//! Promises: each of IAM's codes that these verbs can come to is one variant.
//! Must not know: status codes.

use std::fmt;

use thiserror::Error;

use crate::access::policy::PolicyError;
use crate::engine::EngineError;

/// What a name or id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntityKind {
    /// An account.
    Account,
    /// A user of an account.
    User,
    /// A group of users.
    Group,
    /// A role.
    Role,
    /// A managed policy, or an inline one.
    Policy,
    /// A version of a managed policy.
    PolicyVersion,
    /// An access key.
    AccessKey,
    /// An OpenID Connect provider.
    OidcProvider,
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
            Self::Policy => "policy",
            Self::PolicyVersion => "policy version",
            Self::AccessKey => "access key",
            Self::OidcProvider => "OpenID Connect provider",
        })
    }
}

/// Why an identity verb did not do it.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// Nothing of this kind has the name or id. IAM: `NoSuchEntity`.
    #[error("no such {0}")]
    NoSuch(EntityKind),
    /// The name or access key is taken. IAM: `EntityAlreadyExists`.
    #[error("the {0} exists already")]
    Exists(EntityKind),
    /// What is to be deleted still has something, or is attached somewhere. IAM: `DeleteConflict`.
    #[error("the {kind} still has {left}")]
    InUse {
        /// What was to be deleted.
        kind: EntityKind,
        /// What is left, in words.
        left: String,
    },
    /// There may be no more of something. IAM: `LimitExceeded`.
    #[error("there may be {max} {what} at most")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        max: usize,
    },
    /// A policy's document is none. IAM: `MalformedPolicyDocument`.
    #[error("the policy document is malformed: {0}")]
    MalformedPolicy(PolicyError),
    /// A policy's document names an account, user or role that is not there. IAM: `MalformedPolicyDocument`.
    #[error("Invalid principal in policy: \"{0}\"")]
    UnknownPrincipal(Box<str>),
    /// A name, access key, secret or other value has a form that is not allowed. IAM: `ValidationError`.
    #[error("{0}")]
    Invalid(&'static str),
    /// The policies and tags of a session are too long together: so many percent of what they may be. STS:
    /// `PackedPolicyTooLarge`.
    #[error("policies and tags take {0} % of the space that a session has for them")]
    PackedTooLarge(usize),
    /// What is constant was to be changed. IAM: `UnmodifiableEntity`.
    #[error("a policy of AWS's cannot be changed")]
    Unmodifiable,
    /// Others change the same just now. IAM: `ConcurrentModification`.
    #[error("another change is under way")]
    Busy,
    /// A stored secret does not open: it is damaged, or the cluster secret is another.
    #[error("a stored secret does not open")]
    Sealed,
    /// The rows could not be read or written.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
