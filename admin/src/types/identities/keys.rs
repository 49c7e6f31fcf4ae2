//! Access keys, of users and of the roots of accounts.
//!
//! Promises: whatever has a secret has no `Debug`. Must not know: how they are kept.

use serde::{Deserialize, Serialize};

/// Asks for an access key.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// The user that it is for; unset: the account's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The access key; unset: a random one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// The secret key of `access_key`; both are set or neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
    /// From when on it may not be used any more, in milliseconds since 1970; unset: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// A policy (JSON) that narrows what its owner may do; unset: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_policy: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// Asks for another state of an access key.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// Whether it may be used.
    pub active: bool,
}

/// Asks for another access key in the place of one.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyRotation {
    /// For how many minutes the old one may still be used; 0: it is deleted.
    #[serde(default)]
    pub keep_minutes: u32,
}

/// An access key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccessKey {
    /// The access key.
    pub access_key: String,
    /// Whether it may be used.
    pub active: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// From when on it may not be used any more, likewise; absent: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// About when it was used last, likewise: a quarter of an hour too early at most; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_ms: Option<u64>,
    /// The policy that narrows what its owner may do, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_policy: Option<String>,
    /// What it is for.
    pub description: String,
}

/// An access key that was just made, with the secret that no later answer has.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NewKey {
    /// The name of its account.
    pub account: String,
    /// The canonical id of its account.
    pub account_id: String,
    /// The 12-digit number of its account.
    pub account_number: String,
    /// The access key.
    pub access_key: String,
    /// Its secret key.
    pub secret_key: String,
}
