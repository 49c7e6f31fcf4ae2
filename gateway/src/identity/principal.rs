//! Who a request comes from, and all that decides what it may do: what a credential source gives.
//!
//! Today there are two sources, the root credentials of the cluster and access keys; sessions and tokens of other faces
//! are further ones. A source gives a [`Credential`](super::Credential), whose principal is one of these.
//! Must not know: what a policy says, how the rows are read.

use std::sync::Arc;

use couronne_metadata::system::identity::Tag;

use super::Account;

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
        /// Its tags.
        tags: Vec<Tag>,
    },
}

/// A policy as it is kept: unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDocument {
    /// Its ARN; of an inline policy its name.
    pub name: Box<str>,
    /// What it says. One that cannot be read denies.
    pub text: Arc<str>,
}

impl CallerIdentity {
    /// The caller's ARN.
    pub fn arn(&self) -> String {
        match &self.kind {
            CallerKind::Root => format!("arn:aws:iam::{}:root", self.account.number),
            CallerKind::User { name, path, .. } => self.account.arn("user", path, name),
        }
    }

    /// The caller's name within its account, for logs.
    pub fn name(&self) -> &str {
        match &self.kind {
            CallerKind::Root => super::ROOT_ACCOUNT,
            CallerKind::User { name, .. } => name,
        }
    }
}
