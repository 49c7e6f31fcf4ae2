//! Users: each acts for its account, with access keys, as far as its policies allow.
//!
//! Promises: whatever has a secret has no `Debug`. Must not know: how they are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::AccessKey;

/// Asks for a user.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// Its name, unique in its account.
    pub name: String,
    /// Its path; unset: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether AWS's policy AdministratorAccess is attached to it.
    #[serde(default)]
    pub admin: bool,
    /// Names or ARNs of managed policies that are attached to it.
    #[serde(default)]
    pub policies: Vec<String>,
    /// Its access key; unset: a random one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// The secret key of `access_key`; both are set or neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct User {
    /// Its name, unique in its account.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its unique id.
    pub id: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// The ARNs of the managed policies that are attached to it.
    pub policies: Vec<String>,
    /// The names of its inline policies.
    pub inline_policies: Vec<String>,
    /// The ARN of its permission boundary, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A user with its groups and keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserDetail {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// The names of its groups.
    pub groups: Vec<String>,
    /// Its access keys.
    pub access_keys: Vec<AccessKey>,
}

/// A user that was just made, with the secret that no later answer has.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NewUser {
    /// The name of its account.
    pub account: String,
    /// The canonical id of its account.
    pub account_id: String,
    /// The 12-digit number of its account.
    pub account_number: String,
    /// Its name.
    pub user: String,
    /// Its ARN.
    pub arn: String,
    /// The ARNs of the managed policies that are attached to it.
    pub policies: Vec<String>,
    /// Its access key.
    pub access_key: String,
    /// Its secret key.
    pub secret_key: String,
}
