//! Users: each acts for its account, with access keys.
//!
//! Promises: whatever has a secret has no `Debug`. Must not know: how they are kept.

use serde::{Deserialize, Serialize};

/// Asks for a user.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// Its name, unique in its account.
    pub name: String,
    /// Whether it is noted as one who administers its account. That gives it no right yet: until there are policies all
    /// users of an account may do the same.
    #[serde(default)]
    pub admin: bool,
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
    /// Whether it is noted as one who administers its account. That gives it no right yet: until there are policies all
    /// users of an account may do the same.
    pub admin: bool,
    /// Its access keys.
    pub access_keys: Vec<String>,
}

/// A user that was just made, with the secret that no later answer has.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NewUser {
    /// The name of its account.
    pub account: String,
    /// The canonical id of its account.
    pub account_id: String,
    /// Its name.
    pub user: String,
    /// Whether it is noted as one who administers its account. That gives it no right yet: until there are policies all
    /// users of an account may do the same.
    pub admin: bool,
    /// Its access key.
    pub access_key: String,
    /// Its secret key.
    pub secret_key: String,
}

/// Asks for another access key of a user.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// The access key; unset: a random one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// The secret key of `access_key`; both are set or neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
}

/// An access key that was just made, with the secret that no later answer has.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NewKey {
    /// The access key.
    pub access_key: String,
    /// Its secret key.
    pub secret_key: String,
}
