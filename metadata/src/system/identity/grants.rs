//! What rows of users, groups and roles share: policies, and tags.
//!
//! Must not know: what a policy says.

use std::sync::Arc;

use couronne_base::codec::table::record;

/// Managed policies that are attached to one user, group or role, at most.
pub const ATTACHED_MAX: usize = 10;

/// Groups that one user is in, at most.
pub const GROUPS_MAX: usize = 10;

/// Tags of one user, role or policy, at most.
pub const TAGS_MAX: usize = 50;

/// Versions of one managed policy, at most.
pub const VERSIONS_MAX: usize = 5;

/// A policy that stands in the row of its user, group or role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlinePolicy {
    /// Its name.
    pub name: Box<str>,
    /// Its document.
    pub document: Arc<str>,
}

/// A managed policy, as the row of a user, group or role names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedPolicy {
    /// Its ARN.
    pub arn: Box<str>,
    /// Its unique id: another policy of that ARN is another one.
    pub id: Box<str>,
}

/// The policies of a user, group or role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Those of its own.
    pub inline: Vec<InlinePolicy>,
    /// Managed policies.
    pub attached: Vec<AttachedPolicy>,
    /// The permission boundary; groups have none.
    pub boundary: Option<AttachedPolicy>,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its key.
    pub key: Box<str>,
    /// Its value; may be empty.
    pub value: Box<str>,
}

record! { InlinePolicy { 1 name, 2 document } }
record! { AttachedPolicy { 1 arn, 2 id } }
record! { Grants { 1 inline, 2 attached, 3 boundary } }
record! { Tag { 1 key, 2 value } }

impl Grants {
    /// Whether a decision by it takes as few rows as it may.
    pub(super) fn is_sound(&self) -> bool {
        self.attached.len() <= ATTACHED_MAX
    }

    /// Whether it names this managed policy, attached or as the boundary.
    pub fn uses(&self, policy_id: &str) -> bool {
        self.attached.iter().chain(&self.boundary).any(|used| *used.id == *policy_id)
    }
}
