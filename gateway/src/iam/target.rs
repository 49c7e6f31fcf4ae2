//! On what an operation is: the resource of the decision.
//!
//! Must not know: operations, how it is found.

use crate::identity::Tag;

/// On what an operation is, and which parameters name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Nothing that a policy could name: the operation decides by itself.
    Itself,
    /// The account.
    Account,
    /// The user of `UserName`, or the caller.
    User,
    /// A user to be made.
    NewUser,
    /// The users of the account.
    Users,
    /// The group of `GroupName`.
    Group,
    /// A group to be made.
    NewGroup,
    /// The groups of the account.
    Groups,
    /// The role of `RoleName`.
    Role,
    /// A role to be made.
    NewRole,
    /// The roles of the account.
    Roles,
    /// The policy of `PolicyArn`.
    Policy,
    /// A policy to be made.
    NewPolicy,
    /// The policies of the account.
    Policies,
    /// The user that has the key of `AccessKeyId`.
    Key,
    /// The provider of `OpenIDConnectProviderArn`.
    Provider,
    /// A provider to be made.
    NewProvider,
    /// The providers of the account.
    Providers,
}

/// The resource of a decision.
#[derive(Debug, Default)]
pub(super) struct CallTarget {
    /// Its ARN.
    pub(super) arn: String,
    /// As a client is told of it: without what only one that may look at it knows.
    pub(super) told: String,
    /// Its tags.
    pub(super) tags: Vec<Tag>,
    /// The ARN of its permission boundary.
    pub(super) boundary: Option<Box<str>>,
}

impl CallTarget {
    /// A resource of this ARN, of which nothing else counts.
    pub(super) fn of_arn(arn: impl Into<String>) -> Self {
        let arn = arn.into();
        Self { told: arn.clone(), arn, tags: Vec::new(), boundary: None }
    }
}
