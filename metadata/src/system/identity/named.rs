//! The rows of what has a unique id and a name: users, groups, roles and managed policies.
//!
//! One row holds all that a decision needs of its user or role, but for the documents of managed policies and of groups.
//! Must not know: what a policy says.

use std::sync::Arc;

use bytes::Bytes;
use couronne_base::codec::table::record;
use couronne_base::codec::{self, Corrupt, Value};

use super::forms::{is_account_id, is_unique_id};
use super::grants::{GROUPS_MAX, Grants, TAGS_MAX, Tag, VERSIONS_MAX};
use crate::ids::Ordinal;

/// A row of what has a name beside its id.
pub trait Named: Value + Clone + Send + Sync + 'static {
    /// What the keys of its rows begin with.
    const KIND: &'static str;
    /// What its ids begin with, if they are unique ids as IAM's.
    const ID_PREFIX: &'static str = "";

    /// Whether it may have this id.
    fn is_id(id: &str) -> bool {
        is_unique_id(id, Self::ID_PREFIX)
    }

    /// Within what its name is unique: the canonical id of its account.
    fn scope(&self) -> &str;

    /// Its name, as it was given.
    fn name(&self) -> &str;

    /// Gives it another name.
    fn rename(&mut self, name: &str);

    /// Whether its values are such as it may have.
    fn is_sound(&self) -> bool;
}

/// Whether an entity of this id may have this row.
pub(super) fn check<T: Named>(id: &str, value: &Bytes) -> Result<bool, Corrupt> {
    let row = codec::decode::<T>(value)?;
    Ok(T::is_id(id) && !row.name().is_empty() && row.is_sound())
}

/// Whether the row of a name may have this value.
pub(super) fn check_name<T: Named>(value: &Bytes) -> Result<bool, Corrupt> {
    Ok(T::is_id(&codec::decode::<Box<str>>(value)?))
}

/// `user/<user id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// The canonical id of its account.
    pub account_id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its path: `/`, or between two of them.
    pub path: Box<str>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its policies.
    pub grants: Grants,
    /// The ids of its groups.
    pub groups: Vec<Box<str>>,
}

/// `group/<group id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// The canonical id of its account.
    pub account_id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its path: `/`, or between two of them.
    pub path: Box<str>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
    /// Its policies.
    pub grants: Grants,
}

/// `role/<role id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRow {
    /// The canonical id of its account.
    pub account_id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its path: `/`, or between two of them.
    pub path: Box<str>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its policies.
    pub grants: Grants,
    /// Which principals may assume it.
    pub trust: Arc<str>,
    /// How long a session of it may be, in seconds.
    pub session_s_max: u32,
    /// What it is for, in its account's words; may be empty.
    pub description: Box<str>,
}

/// `policy/<policy id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// The canonical id of its account.
    pub account_id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its path: `/`, or between two of them.
    pub path: Box<str>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
    /// When its default version was last another one; likewise.
    pub updated: Ordinal,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// What it is for, in its account's words; may be empty.
    pub description: Box<str>,
    /// Its versions, the oldest first.
    pub versions: Vec<PolicyVersion>,
    /// The number of the version that counts.
    pub default: u32,
    /// The number that the next version gets: none is given twice.
    pub next: u32,
}

/// One version of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number, from 1 on.
    pub number: u32,
    /// Its document.
    pub document: Arc<str>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
}

record! { UserRow { 1 account_id, 2 name, 3 path, 4 created, 5 tags, 6 grants, 7 groups } }
record! { GroupRow { 1 account_id, 2 name, 3 path, 4 created, 5 grants } }
record! { RoleRow {
    1 account_id, 2 name, 3 path, 4 created, 5 tags, 6 grants, 7 trust, 8 session_s_max, 9 description
} }
record! { PolicyRow {
    1 account_id, 2 name, 3 path, 4 created, 5 updated, 6 tags, 7 description, 8 versions, 9 default, 10 next
} }
record! { PolicyVersion { 1 number, 2 document, 3 created } }

impl PolicyRow {
    /// The version that counts; `None`: there is none of that number.
    pub fn default_version(&self) -> Option<&PolicyVersion> {
        self.versions.iter().find(|version| version.number == self.default)
    }
}

/// Implements [`Named`] for rows with these fields.
macro_rules! named {
    ($($type:ty: $kind:literal, $prefix:literal, |$row:ident| $sound:expr;)+) => { $(
        impl Named for $type {
            const KIND: &'static str = $kind;
            const ID_PREFIX: &'static str = $prefix;

            fn scope(&self) -> &str {
                &self.account_id
            }

            fn name(&self) -> &str {
                &self.name
            }

            fn rename(&mut self, name: &str) {
                self.name = name.into();
            }

            fn is_sound(&self) -> bool {
                let $row = self;
                is_account_id(&self.account_id) && $sound
            }
        }
    )+ };
}

named! {
    UserRow: "user", "AIDA", |row| row.grants.is_sound() && row.groups.len() <= GROUPS_MAX && row.tags.len() <= TAGS_MAX;
    GroupRow: "group", "AGPA", |row| row.grants.is_sound() && row.grants.boundary.is_none();
    RoleRow: "role", "AROA", |row| row.grants.is_sound() && row.tags.len() <= TAGS_MAX;
    PolicyRow: "policy", "ANPA", |row| {
        row.versions.len() <= VERSIONS_MAX && row.default_version().is_some() && row.tags.len() <= TAGS_MAX
    };
}
