//! Groups of users, and roles.
//!
//! Must not know: how they are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Asks for a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupRequest {
    /// Its name, unique in its account.
    pub name: String,
    /// Its path; unset: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Names or ARNs of managed policies that are attached to it.
    #[serde(default)]
    pub policies: Vec<String>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Group {
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
    /// The names of its members.
    pub users: Vec<String>,
}

/// Asks for a role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoleRequest {
    /// Its name, unique in its account.
    pub name: String,
    /// Its path; unset: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its trust policy (JSON): which principals may assume it.
    pub trust_policy: String,
    /// How long a session of it may be, in seconds; unset: an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_s_max: Option<u32>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Names or ARNs of managed policies that are attached to it.
    #[serde(default)]
    pub policies: Vec<String>,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Role {
    /// Its name, unique in its account.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its unique id.
    pub id: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Its trust policy (JSON): which principals may assume it.
    pub trust_policy: String,
    /// How long a session of it may be, in seconds.
    pub session_s_max: u32,
    /// What it is for.
    pub description: String,
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
