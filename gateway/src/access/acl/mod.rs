//! Access control lists of buckets and objects: grants of permissions to accounts and groups.
//!
//! Promises: a list only ever grants.
//! Must not know: XML and headers, public access blocks, object ownership.

mod canned;
mod mapping;

use super::principal::Principal;

pub use canned::CannedAcl;
pub use mapping::{AclOf, permission_for};

/// The most grants in a list.
pub const GRANTS_MAX: usize = 100;

/// The service that is the group of log delivery.
const LOG_DELIVERY: &str = "logging.s3.amazonaws.com";

/// What a grant permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Of a bucket, to list it; of an object, to read it.
    Read,
    /// Of a bucket, to write objects.
    Write,
    /// To read the list itself.
    ReadAcp,
    /// To write the list itself.
    WriteAcp,
    /// All of them.
    FullControl,
}

impl Permission {
    /// Whether a grant of this permission is also one of the other.
    pub fn includes(self, other: Self) -> bool {
        self == other || self == Self::FullControl
    }
}

/// Groups that a list may grant to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GranteeGroup {
    /// Everybody.
    AllUsers,
    /// Everybody who signs.
    AuthenticatedUsers,
    /// The service that writes access logs.
    LogDelivery,
}

/// To what a grant goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Grantee {
    /// An account, by its canonical id.
    Account(Box<str>),
    /// A group.
    Group(GranteeGroup),
}

impl Grantee {
    /// Whether the grant is public by S3's definition.
    pub const fn is_public(&self) -> bool {
        matches!(self, Self::Group(GranteeGroup::AllUsers | GranteeGroup::AuthenticatedUsers))
    }

    /// Whether the principal is it, or belongs to it.
    pub fn contains(&self, principal: &Principal<'_>) -> bool {
        match self {
            Self::Account(id) => principal.account().is_some_and(|account| account.canonical == &**id),
            Self::Group(GranteeGroup::AllUsers) => !matches!(principal, Principal::WebIdentity { .. }),
            Self::Group(GranteeGroup::AuthenticatedUsers) => principal.account().is_some(),
            Self::Group(GranteeGroup::LogDelivery) => {
                matches!(principal, Principal::Service(service) if service.name == LOG_DELIVERY)
            }
        }
    }
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// To what it goes.
    pub grantee: Grantee,
    /// What it permits.
    pub permission: Permission,
}

/// An access control list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessControlList {
    /// The canonical id of the account that owns the bucket or object.
    pub owner: Box<str>,
    /// The entries.
    pub grants: Vec<Grant>,
}

impl AccessControlList {
    /// The list of a bucket or object that nobody wrote one for: its owner has full control.
    pub fn private(owner: &str) -> Self {
        let grantee = Grantee::Account(owner.into());
        Self { owner: owner.into(), grants: vec![Grant { grantee, permission: Permission::FullControl }] }
    }

    /// Whether it grants anything to everybody or to everybody who signs.
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| grant.grantee.is_public())
    }

    /// The list as it counts where public grants are ignored; it is also what is then shown.
    #[must_use]
    pub fn without_public_grants(&self) -> Self {
        let grants = self.grants.iter().filter(|grant| !grant.grantee.is_public()).cloned().collect();
        Self { owner: self.owner.clone(), grants }
    }
}

#[cfg(test)]
mod tests {
    use super::super::arn::AccountNumber;
    use super::super::principal::{AccountRef, ServicePrincipal};
    use super::*;

    #[test]
    fn groups_hold_those_that_they_are_named_for() {
        let root = Principal::Root(AccountRef { number: AccountNumber::UNASSIGNED, canonical: "a" });
        let service = |name| {
            Principal::Service(ServicePrincipal { name, source_arn: "", source_account: AccountNumber::UNASSIGNED })
        };
        let (logs, other) = (service(LOG_DELIVERY), service("s3.amazonaws.com"));
        let of = |group, principal: &Principal<'_>| Grantee::Group(group).contains(principal);
        assert!(of(GranteeGroup::AllUsers, &Principal::Anonymous) && of(GranteeGroup::AllUsers, &root));
        assert!(of(GranteeGroup::AuthenticatedUsers, &root));
        assert!(!of(GranteeGroup::AuthenticatedUsers, &Principal::Anonymous));
        assert!(of(GranteeGroup::LogDelivery, &logs) && !of(GranteeGroup::LogDelivery, &other));
        assert!(!of(GranteeGroup::LogDelivery, &root));
        assert!(Grantee::Account("a".into()).contains(&root) && !Grantee::Account("ab".into()).contains(&root));
    }
}
