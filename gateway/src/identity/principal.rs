//! Who a request comes from, and all that decides what it may do: what a credential source gives.
//!
//! Today there are two sources, the root credentials of the cluster and access keys; sessions and tokens of other faces
//! are further ones. A source gives a [`Credential`](super::Credential), whose principal is one of these.
//! Must not know: how policies are weighed, how the rows are read.

use std::sync::Arc;

use couronne_metadata::ids::Ordinal;

use super::{Account, PublicAccessBlock};
use crate::access::arn::AccountNumber;
use crate::access::policy::StoredPolicy;
use crate::access::principal::{AccountRef, Principal, UserRef};
use crate::access::{AttachedPolicy, Rights};

/// The canonical id that S3 has for whoever does not sign.
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
    /// The policy of its access key, which narrows what the others allow.
    pub session: Option<PolicyDocument>,
}

/// What a caller is in its account.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    session: Option<[AttachedPolicy<'a>; 1]>,
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
        let session = self.session.as_ref().map(<[_; 1]>::as_slice);
        Rights { identity: &self.identity, boundary: self.boundary, session, token_issued_ms: None }
    }
}

impl CallerIdentity {
    /// Of a request that is not signed. It acts for no account; what it writes belongs to the canonical id that S3 has for it.
    pub(super) fn anonymous() -> Self {
        let account = Account {
            id: ANONYMOUS_ID.into(),
            number: "".into(),
            name: "anonymous".into(),
            email: None,
            created: Ordinal(0),
            block: PublicAccessBlock::default(),
        };
        Self { account, kind: CallerKind::Anonymous, policies: Vec::new(), boundary: None, session: None }
    }

    /// The caller's ARN.
    pub fn arn(&self) -> String {
        match &self.kind {
            CallerKind::Anonymous => "anonymous".to_owned(),
            CallerKind::Root => format!("arn:aws:iam::{}:root", self.account.number),
            CallerKind::User { name, path, .. } => self.account.arn("user", path, name),
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
        }
    }

    /// Its policies.
    pub fn policies(&self) -> CallerPolicies<'_> {
        CallerPolicies {
            identity: self.policies.iter().map(PolicyDocument::attached).collect(),
            boundary: self.boundary.as_ref().map(PolicyDocument::attached),
            session: self.session.as_ref().map(|policy| [policy.attached()]),
        }
    }

    /// By what rows name it as the writer of an object: a user's unique id, else the canonical id of its account.
    pub fn writer(&self) -> &str {
        match &self.kind {
            CallerKind::User { id, .. } => id,
            CallerKind::Anonymous | CallerKind::Root => &self.account.id,
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
            CallerKind::Root => super::ROOT_ACCOUNT,
            CallerKind::User { name, .. } => name,
        }
    }
}
