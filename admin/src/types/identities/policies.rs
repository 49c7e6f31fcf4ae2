//! Managed policies: what users, groups and roles may do.
//!
//! Must not know: how they are kept, what a document says.

use serde::{Deserialize, Serialize};

/// Asks for a managed policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyRequest {
    /// Its name, unique in its account.
    pub name: String,
    /// Its path; unset: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What it says (JSON).
    pub document: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// A managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// What it is for.
    pub description: String,
    /// The version that counts.
    pub version: String,
}

/// A managed policy with what it says, and where it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PolicyDetail {
    /// The policy.
    #[serde(flatten)]
    pub policy: Policy,
    /// What the version says that counts (JSON).
    pub document: String,
    /// All versions.
    pub versions: Vec<String>,
    /// What it is attached to in the account.
    pub attached_to: Vec<PolicyHolder>,
    /// What it bounds in the account.
    pub bounds: Vec<PolicyHolder>,
}

/// What a managed policy is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyHolder {
    /// What it is.
    pub kind: HolderKind,
    /// Its name.
    pub name: String,
}

/// What may have policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    /// A user.
    User,
    /// A group.
    Group,
    /// A role.
    Role,
}
