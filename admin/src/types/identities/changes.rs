//! Changes of what an account has: versions of policies, boundaries, inline policies, tags, roles.
//!
//! Must not know: how they are kept, what a document says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PolicyHolder;

/// Asks for another version of a managed policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyVersionRequest {
    /// What it says (JSON).
    pub document: String,
    /// Whether it counts from now on.
    #[serde(default)]
    pub default: bool,
}

/// A version of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PolicyVersion {
    /// Its name, as `v2`.
    pub version: String,
    /// Whether it is the one that counts.
    pub default: bool,
    /// What it says (JSON).
    pub document: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// Asks for a permission boundary of a user or role, or for none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BoundaryRequest {
    /// Of what.
    pub of: PolicyHolder,
    /// The name or ARN of the managed policy that bounds it; unset: none does from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// Asks for an inline policy of a user, group or role, or that there be none of that name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InlinePolicyRequest {
    /// Of what.
    pub of: PolicyHolder,
    /// Its name there.
    pub name: String,
    /// What it says (JSON); unset: it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
}

/// Asks for tags of a user or role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TagsRequest {
    /// Of what.
    pub of: PolicyHolder,
    /// The tags that are set: keys and values.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// The keys of the tags that are removed.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// Asks for a change of a role; what is unset stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoleChange {
    /// Its trust policy (JSON): which principals may assume it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_policy: Option<String>,
    /// How long a session of it may be, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_s_max: Option<u32>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
