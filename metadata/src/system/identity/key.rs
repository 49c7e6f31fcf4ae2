//! The rows of an access key.
//!
//! Must not know: how secrets are sealed.

use std::sync::Arc;

use bytes::Bytes;
use couronne_base::codec::table::record;

use super::forms::{is_account_id, is_unique_id};
use super::named::{Named as _, UserRow};
use crate::ids::Ordinal;

/// `key/<access key>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The canonical id of the account.
    pub account_id: Box<str>,
    /// The id of the key's user; of a key of the account's root the account's canonical id.
    pub owner: Box<str>,
    /// Whether it may be used.
    pub is_active: bool,
    /// From when on it may not, if such a time was set; seconds since 1970.
    pub expires_s: Option<u64>,
    /// A policy that narrows what its user may do, if there is one: a service account's.
    pub session_policy: Option<Arc<str>>,
    /// What it is for, in its owner's words; may be empty.
    pub description: Box<str>,
    /// When the key was created; microseconds since 1970.
    pub created: Ordinal,
    /// The sealed secret key.
    pub sealed: Bytes,
}

/// `key-used/<access key>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsedRow {
    /// When the key was created that was used; microseconds since 1970.
    pub created: Ordinal,
    /// About when it was used last; seconds since 1970.
    pub used_s: u64,
    /// The service, as the signature named it.
    pub service: Box<str>,
    /// The region, likewise.
    pub region: Box<str>,
}

record! { KeyRow {
    1 account_id, 2 owner, 3 is_active, 4 expires_s, 5 session_policy, 6 description, 7 created, 8 sealed
} }
record! { KeyUsedRow { 1 created, 2 used_s, 3 service, 4 region } }

impl KeyRow {
    /// Whether it is a key of the account's root.
    pub fn is_of_root(&self) -> bool {
        self.owner == self.account_id
    }

    pub(super) fn is_sound(&self) -> bool {
        is_account_id(&self.account_id) && (self.is_of_root() || is_unique_id(&self.owner, UserRow::ID_PREFIX))
    }
}
