//! Accounts: each owns buckets and has users.
//!
//! Must not know: how they are kept.

use serde::{Deserialize, Serialize};

use super::User;

/// Asks for an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AccountRequest {
    /// Its name, unique in the cluster.
    pub name: String,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Account {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Its canonical id: 64 hexadecimal digits, never reused.
    pub id: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// An account and its users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccountDetail {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// Its users.
    pub users: Vec<User>,
}
