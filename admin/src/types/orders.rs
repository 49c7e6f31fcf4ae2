//! Orders on the cluster's secrets, and what became of an order.
//!
//! Promises: whatever has a secret has no `Debug`.

use serde::{Deserialize, Serialize};

/// An order was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Done {
    /// What was done, for a person.
    pub message: String,
}

/// The clock was confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClockConfirmation {
    /// Why duties were halted until then; unset: they were not.
    pub halted: Option<String>,
}

/// A secret of the cluster that can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SecretName {
    /// The root credentials.
    Root,
    /// The admin token, and the one that reads, which follows from it.
    AdminToken,
    /// What seals users' secret keys at rest.
    SealingKey,
    /// The certificate authority of the members.
    Authority,
}

impl SecretName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Root, Self::AdminToken, Self::SealingKey, Self::Authority];

    /// Its name, in paths and on the command line too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::AdminToken => "admin-token",
            Self::SealingKey => "sealing-key",
            Self::Authority => "authority",
        }
    }
}

/// Asks for another secret in the place of one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// For how many minutes the root credentials that were are taken beside the new ones; 0: they are refused at once.
    /// A day at most. Of no other secret is that asked.
    #[serde(default)]
    pub keep_minutes: u32,
}

/// A secret was changed; of the certificate authority: is being changed.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RotatedSecret {
    /// What was done, for a person.
    pub message: String,
    /// The new root access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// The new root secret key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
    /// The members that the change waits for, by name: until they did their part the old secret counts as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
}
