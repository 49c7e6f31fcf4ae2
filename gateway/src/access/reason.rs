//! Why a question was answered as it was: for the audit log, never for the client.

use std::fmt;

use super::acl::AclOf;

/// As what a policy stood in a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyRole {
    /// As a policy of the principal.
    Identity,
    /// As its permissions boundary.
    Boundary,
    /// As one of its session or of its access key.
    Session,
    /// As the policy of the bucket or role.
    Resource,
}

/// A statement of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementRef<'a> {
    /// As what the policy stood.
    pub role: PolicyRole,
    /// The policy's name.
    pub policy: &'a str,
    /// The statement's id, if it has one.
    pub sid: Option<&'a str>,
    /// The statement's place, counted from 0.
    pub index: usize,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// The account itself asks for what belongs to it.
    Ownership,
    /// A statement.
    Statement(StatementRef<'a>),
    /// A grant of an ACL.
    Acl(AclOf),
    /// A policy that could not be read, of this name.
    Unreadable(PolicyRole, &'a str),
    /// No policy of the principal allows it.
    NoIdentityAllows,
    /// The boundary does not allow it.
    BoundaryLacks,
    /// The policies of the session or the access key do not allow it.
    SessionLacks,
    /// Neither a policy nor an ACL of the resource allows it.
    NoResourceAllows,
    /// The bucket's policy is public, and public buckets are restricted.
    PublicBucketRestricted,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ownership => f.write_str("ownership"),
            Self::Statement(StatementRef { role, policy, sid, index }) => {
                write!(f, "{role} policy {policy}, statement {index}")?;
                sid.map_or(Ok(()), |sid| write!(f, " ({sid})"))
            }
            Self::Acl(AclOf::Bucket) => f.write_str("ACL of the bucket"),
            Self::Acl(AclOf::Object) => f.write_str("ACL of the object"),
            Self::Unreadable(role, policy) => write!(f, "{role} policy {policy} cannot be read"),
            Self::NoIdentityAllows => f.write_str("no policy of the principal allows it"),
            Self::BoundaryLacks => f.write_str("the permissions boundary does not allow it"),
            Self::SessionLacks => f.write_str("the policies of the session or access key do not allow it"),
            Self::NoResourceAllows => f.write_str("no policy and no ACL of the resource allows it"),
            Self::PublicBucketRestricted => {
                f.write_str("the bucket's policy is public, and public buckets are restricted")
            }
        }
    }
}

impl fmt::Display for PolicyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Boundary => "boundary",
            Self::Session => "session",
            Self::Resource => "resource",
        })
    }
}
