//! Accounts: each owns buckets and has users, groups, roles and policies.
//!
//! Must not know: how they are kept.

use serde::{Deserialize, Serialize};

use super::{AccessKey, User};

/// Asks for an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AccountRequest {
    /// Its name, unique in the cluster.
    pub name: String,
    /// An address of mail for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Account {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Its 12-digit number, as ARNs have it, never reused.
    pub number: String,
    /// Its canonical id: 64 hexadecimal digits, never reused.
    pub id: String,
    /// An address of mail for it, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// An account and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccountDetail {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// The access keys of its root.
    pub root_keys: Vec<AccessKey>,
    /// Its users.
    pub users: Vec<User>,
    /// The names of its groups.
    pub groups: Vec<String>,
    /// The names of its roles.
    pub roles: Vec<String>,
    /// The ARNs of its own managed policies.
    pub policies: Vec<String>,
}
