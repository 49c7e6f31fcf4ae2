//! Who a request comes from, and all that decides what it may do: what a credential source gives.
//!
//! The sources are the root credentials of the cluster, access keys, the tokens of sessions, and tokens of identity providers. A
//! source gives a [`Credential`](crate::identity::Credential), whose principal is one of these.
//! Must not know: how policies are weighed, how the rows are read.

use std::sync::Arc;

use couronne_metadata::ids::Ordinal;
use couronne_metadata::system::identity::UserRow;

use super::Maker;
use crate::access::arn::AccountNumber;
use crate::access::policy::StoredPolicy;
use crate::access::principal::{AccountRef, FederatedUser, Principal, RoleSession, TagList, UserRef};
use crate::access::{AttachedPolicy, Rights};
use crate::identity::oidc::Claims;
use crate::identity::{Account, PublicAccessBlock, ROOT_ACCOUNT};

/// The canonical id that S3 has for a caller that does not sign.
const ANONYMOUS_ID: &str = "65a011a29cdf8ec533ec3d1ccaae921c";

/// A caller with its policies.
#[derive(Clone, Debug)]
pub struct CallerIdentity {
    /// The account that the caller acts for.
    pub account: Account,
    /// What the caller is in that account.
    pub kind: CallerKind,
    /// All that grants and denies: inline policies and attached ones, its own and those of its groups.
    pub policies: Vec<PolicyDocument>,
    /// The permission boundary. One that is gone has an empty document, which allows nothing.
    pub boundary: Option<PolicyDocument>,
    /// The policies of its session, or that of its access key: together they narrow what the others allow.
    pub session: Option<Vec<PolicyDocument>>,
    /// What is known of its session's token, if it came with one.
    pub token: Option<TokenFacts>,
}

/// What is known of a session's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// When it was issued; milliseconds since 1970.
    pub issued_ms: u64,
    /// From when on it is good no more; seconds since 1970.
    pub expires_s: u64,
    /// What it ends with.
    pub maker: Maker,
}

/// What a caller is in its account.
#[derive(Clone, Debug, PartialEq)]
pub enum CallerKind {
    /// Nobody: the request is not signed.
    Anonymous,
    /// The account itself: its root.
    Root,
    /// A user.
    User {
        /// Its unique id.
        id: Box<str>,
        /// Its name.
        name: Box<str>,
        /// Its path.
        path: Box<str>,
        /// Its tags: keys and values.
        tags: Vec<(Box<str>, Box<str>)>,
    },
    /// A session of a role.
    RoleSession {
        /// The role's unique id.
        role_id: Box<str>,
        /// The role's name.
        role: Box<str>,
        /// The role's path.
        path: Box<str>,
        /// The session's name.
        session: Box<str>,
        /// The source identity, if one was set.
        source_identity: Option<Box<str>>,
        /// The identity provider that vouched for the caller, if one did.
        provider: Option<Box<str>>,
        /// The tags of the role, and over them those of the session.
        tags: Vec<(Box<str>, Box<str>)>,
    },
    /// A session that a user or a root made for somebody else.
    FederatedUser {
        /// The session's name.
        name: Box<str>,
        /// The user that made it; none if the account's root did.
        federator: Option<Box<CallerKind>>,
        /// The session's tags.
        tags: Vec<(Box<str>, Box<str>)>,
    },
    /// A user of an identity provider that asks for a role of the account.
    WebIdentity {
        /// The provider, as trust policies name it.
        provider: Box<str>,
        /// What the provider's token says of the user.
        claims: Arc<Claims>,
    },
}

impl CallerKind {
    /// The user of this row.
    pub(in crate::identity) fn of_user(id: Box<str>, user: &UserRow) -> Self {
        let UserRow { name, path, tags, .. } = user.clone();
        Self::User { id, name, path, tags: tags.into_iter().map(|tag| (tag.key, tag.value)).collect() }
    }

    fn as_user<'a>(&'a self, account: AccountRef<'a>) -> Option<UserRef<'a>> {
        match self {
            Self::User { id, name, path, tags } => Some(UserRef { account, path, name, id, tags }),
            _ => None,
        }
    }
}

/// A policy as it is kept, and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDocument {
    /// Its ARN; of an inline policy its name.
    pub name: Box<str>,
    /// What it says.
    pub text: Arc<str>,
    /// The same, read. One that cannot be read denies.
    pub policy: StoredPolicy,
}

/// The policies of a caller as the decision takes them.
pub struct CallerPolicies<'a> {
    identity: Vec<AttachedPolicy<'a>>,
    boundary: Option<AttachedPolicy<'a>>,
    session: Option<Vec<AttachedPolicy<'a>>>,
    token_issued_ms: Option<i64>,
}

impl PolicyDocument {
    /// A policy of this name that says this.
    pub fn new(name: Box<str>, text: Arc<str>) -> Self {
        let policy = StoredPolicy::read(&text);
        Self { name, text, policy }
    }

    fn attached(&self) -> AttachedPolicy<'_> {
        AttachedPolicy { name: &self.name, policy: &self.policy }
    }
}

impl CallerPolicies<'_> {
    /// What the caller's account says of it.
    pub fn rights(&self) -> Rights<'_> {
        let Self { identity, boundary, session, token_issued_ms } = self;
        let (session, token_issued_ms) = (session.as_deref(), *token_issued_ms);
        Rights { identity, boundary: *boundary, session, token_issued_ms }
    }
}

impl CallerIdentity {
    /// Of a request that is not signed. It acts for no account; what it writes belongs to the canonical id that S3 has for it.
    pub(in crate::identity) fn anonymous() -> Self {
        let account = Account {
            id: ANONYMOUS_ID.into(),
            number: "".into(),
            name: "anonymous".into(),
            email: None,
            created: Ordinal(0),
            block: PublicAccessBlock::default(),
        };
        Self { kind: CallerKind::Anonymous, ..Self::of_root(account) }
    }

    /// The root of an account.
    pub const fn of_root(account: Account) -> Self {
        let kind = CallerKind::Root;
        Self { account, kind, policies: Vec::new(), boundary: None, session: None, token: None }
    }

    /// The caller's ARN; of a user of an identity provider, which has none, the provider's.
    pub fn arn(&self) -> String {
        let number = &self.account.number;
        match &self.kind {
            CallerKind::Anonymous => "anonymous".to_owned(),
            CallerKind::Root => format!("arn:aws:iam::{number}:root"),
            CallerKind::User { name, path, .. } => self.account.arn("user", path, name),
            CallerKind::RoleSession { role, session, .. } => {
                format!("arn:aws:sts::{number}:assumed-role/{role}/{session}")
            }
            CallerKind::FederatedUser { name, .. } => format!("arn:aws:sts::{number}:federated-user/{name}"),
            CallerKind::WebIdentity { provider, .. } => provider.to_string(),
        }
    }

    /// The caller's unique id, as policies have it in `aws:userid`.
    pub fn user_id(&self) -> String {
        match &self.kind {
            CallerKind::Anonymous => "anonymous".to_owned(),
            CallerKind::Root => self.account.number.to_string(),
            CallerKind::User { id, .. } => id.to_string(),
            CallerKind::RoleSession { role_id, session, .. } => format!("{role_id}:{session}"),
            CallerKind::FederatedUser { name, .. } => format!("{}:{name}", self.account.number),
            CallerKind::WebIdentity { claims, .. } => claims.subject.to_string(),
        }
    }

    /// The account, as the decision has it.
    pub fn account_ref(&self) -> AccountRef<'_> {
        let number = AccountNumber::parse(&self.account.number).unwrap_or(AccountNumber::UNASSIGNED);
        AccountRef { number, canonical: &self.account.id }
    }

    /// The caller, as the decision has it.
    pub fn principal(&self) -> Principal<'_> {
        let account = self.account_ref();
        match &self.kind {
            CallerKind::Anonymous => Principal::Anonymous,
            CallerKind::Root => Principal::Root(account),
            CallerKind::User { id, name, path, tags } => Principal::User(UserRef { account, path, name, id, tags }),
            CallerKind::RoleSession { role_id, role, path, session, source_identity, provider, tags } => {
                let (source_identity, provider) = (source_identity.as_deref(), provider.as_deref());
                Principal::RoleSession(RoleSession {
                    account,
                    path,
                    role,
                    role_id,
                    session,
                    source_identity,
                    provider,
                    tags,
                })
            }
            CallerKind::FederatedUser { name, federator, tags } => {
                let federator = federator.as_ref().and_then(|user| user.as_user(account));
                Principal::FederatedUser(FederatedUser { account, name, federator, tags })
            }
            CallerKind::WebIdentity { provider, .. } => Principal::WebIdentity { provider },
        }
    }

    /// Its tags: keys and values.
    pub fn tags(&self) -> &TagList {
        match &self.kind {
            CallerKind::User { tags, .. }
            | CallerKind::RoleSession { tags, .. }
            | CallerKind::FederatedUser { tags, .. } => tags,
            CallerKind::Anonymous | CallerKind::Root | CallerKind::WebIdentity { .. } => &[],
        }
    }

    /// Its policies.
    pub fn policies(&self) -> CallerPolicies<'_> {
        CallerPolicies {
            identity: self.policies.iter().map(PolicyDocument::attached).collect(),
            boundary: self.boundary.as_ref().map(PolicyDocument::attached),
            session: self.session.as_ref().map(|all| all.iter().map(PolicyDocument::attached).collect()),
            token_issued_ms: self.token.as_ref().map(|token| i64::try_from(token.issued_ms).unwrap_or(i64::MAX)),
        }
    }

    /// By what rows name it as the writer of an object: the unique id of a user or role, else the canonical id of its account.
    pub fn writer(&self) -> &str {
        match &self.kind {
            CallerKind::User { id, .. } => id,
            CallerKind::RoleSession { role_id, .. } => role_id,
            CallerKind::FederatedUser { federator: Some(federator), .. } => match &**federator {
                CallerKind::User { id, .. } => id,
                _ => &self.account.id,
            },
            _ => &self.account.id,
        }
    }

    /// Whether the request is not signed.
    pub const fn is_anonymous(&self) -> bool {
        matches!(self.kind, CallerKind::Anonymous)
    }

    /// The caller's name within its account, for logs.
    pub fn name(&self) -> &str {
        match &self.kind {
            CallerKind::Anonymous => "",
            CallerKind::Root => ROOT_ACCOUNT,
            CallerKind::User { name, .. } | CallerKind::FederatedUser { name, .. } => name,
            CallerKind::RoleSession { session, .. } => session,
            CallerKind::WebIdentity { claims, .. } => &claims.subject,
        }
    }
}
