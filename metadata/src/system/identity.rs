//! The rows of identities.
//!
//! ```text
//! account/<name>                       account's id, when created
//! account-id/<id>                      account's name
//! user/<account id>/<user>             admin flag, when created
//! user-key/<account id>/<user>/<key>   (nothing): lists a user's keys
//! key/<access key>                     whose it is, when its user and itself were created, sealed secret
//! ```
//! A key counts only while the very user and account it was made for exist: their creation times and
//! ids are compared, so that a name taken again revives nothing.
//! Must not know: when a row is written, how secrets are sealed.

use bytes::Bytes;
use couronne_base::codec::table::record;

use crate::ids::Ordinal;

/// `account/<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// The account's canonical id.
    pub id: Box<str>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
}

/// `user/<account id>/<user>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// Whether the user administers its account.
    pub admin: bool,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
}

/// `key/<access key>`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The canonical id of the account.
    pub account_id: Box<str>,
    /// The name of the account.
    pub account_name: Box<str>,
    /// The user.
    pub user: Box<str>,
    /// When the user was created; microseconds since 1970.
    pub user_created: Ordinal,
    /// When the key was, likewise.
    pub created: Ordinal,
    /// The sealed secret key.
    pub sealed: Bytes,
}

record! { AccountRow { 1 id, 2 created } }
record! { UserRow { 1 admin, 2 created } }
record! { KeyRow { 1 account_id, 2 account_name, 3 user, 4 user_created, 5 created, 6 sealed } }

/// The text of the key of an account's row.
pub fn account(name: &str) -> String {
    format!("account/{name}")
}

/// The text of the key of the row that has the name of an account.
pub fn account_id(id: &str) -> String {
    format!("account-id/{id}")
}

/// The text of the key of a user's row.
pub fn user(account_id: &str, user: &str) -> String {
    format!("user/{account_id}/{user}")
}

/// The text of the key of the row that lists an access key.
pub fn user_key(account_id: &str, user: &str, access_key: &str) -> String {
    format!("user-key/{account_id}/{user}/{access_key}")
}

/// The text of the key of an access key's row.
pub fn key(access_key: &str) -> String {
    format!("key/{access_key}")
}

/// Whether an account may have this id.
pub(super) fn is_account_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
