//! Principals: those in whose name a request comes, with what policies can say of them.
//!
//! Must not know: credentials, policies, how identities are kept.

use super::arn::AccountNumber;

/// An account, by both of its names.
#[derive(Clone, Copy, Debug)]
pub struct AccountRef<'a> {
    /// As ARNs have it.
    pub number: AccountNumber,
    /// The canonical id, as ACLs have it.
    pub canonical: &'a str,
}

/// Two accounts are the same if their canonical ids are: every account has one from its birth.
impl PartialEq for AccountRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

/// The tags of a principal: keys and values.
pub type TagList = [(Box<str>, Box<str>)];

/// A user of an account.
#[derive(Clone, Copy, Debug)]
pub struct UserRef<'a> {
    /// Its account.
    pub account: AccountRef<'a>,
    /// Its path: `/`, or as `/division/team/`.
    pub path: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its unique id, as `AIDA...`.
    pub id: &'a str,
    /// Its tags.
    pub tags: &'a TagList,
}

/// A session of a role.
#[derive(Clone, Copy, Debug)]
pub struct RoleSession<'a> {
    /// The role's account.
    pub account: AccountRef<'a>,
    /// The role's path.
    pub path: &'a str,
    /// The role's name.
    pub role: &'a str,
    /// The role's unique id, as `AROA...`.
    pub role_id: &'a str,
    /// The name that the caller gave the session.
    pub session: &'a str,
    /// The source identity, if one was set.
    pub source_identity: Option<&'a str>,
    /// The identity provider that vouched for the caller, if one did.
    pub provider: Option<&'a str>,
    /// The tags of the role, and over them those of the session.
    pub tags: &'a TagList,
}

/// A session that a user or a root made for somebody else (`GetFederationToken`).
#[derive(Clone, Copy, Debug)]
pub struct FederatedUser<'a> {
    /// The account.
    pub account: AccountRef<'a>,
    /// The session's name.
    pub name: &'a str,
    /// The user that made it; none if the account's root did.
    pub federator: Option<UserRef<'a>>,
    /// The session's tags.
    pub tags: &'a TagList,
}

/// A service of the cluster that acts for a resource.
#[derive(Clone, Copy, Debug)]
pub struct ServicePrincipal<'a> {
    /// As policies name it: the service's name before `.amazonaws.com`, with it.
    pub name: &'a str,
    /// The resource that it acts for.
    pub source_arn: &'a str,
    /// The account of that resource.
    pub source_account: AccountNumber,
}

/// In whose name a request comes.
#[derive(Clone, Copy, Debug)]
pub enum Principal<'a> {
    /// Nobody's: the request is not signed.
    Anonymous,
    /// An account's own.
    Root(AccountRef<'a>),
    /// A user's.
    User(UserRef<'a>),
    /// A role's, by a session of it.
    RoleSession(RoleSession<'a>),
    /// A federated user's.
    FederatedUser(FederatedUser<'a>),
    /// A service's.
    Service(ServicePrincipal<'a>),
    /// Of a user of an identity provider who asks for a role.
    WebIdentity {
        /// The provider, as trust policies name it.
        provider: &'a str,
    },
}

impl<'a> Principal<'a> {
    /// The account that it belongs to.
    pub const fn account(&self) -> Option<AccountRef<'a>> {
        match self {
            Self::Root(account) => Some(*account),
            Self::User(user) => Some(user.account),
            Self::RoleSession(session) => Some(session.account),
            Self::FederatedUser(user) => Some(user.account),
            Self::Anonymous | Self::Service(_) | Self::WebIdentity { .. } => None,
        }
    }

    /// The value of a tag. The keys of principals' tags are compared without regard to case.
    pub fn tag(&self, key: &str) -> Option<&'a str> {
        let tags = match self {
            Self::User(user) => user.tags,
            Self::RoleSession(session) => session.tags,
            Self::FederatedUser(user) => user.tags,
            _ => return None,
        };
        tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| &**value)
    }
}

/// Whether `resource`, the part of an ARN after `user/` or `role/`, is this path and name.
pub fn is_path_and_name(resource: &str, path: &str, name: &str) -> bool {
    let path = path.strip_prefix('/').unwrap_or(path);
    resource.strip_prefix(path) == Some(name)
}
