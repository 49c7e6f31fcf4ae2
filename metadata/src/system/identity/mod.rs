//! The rows of identities.
//!
//! ```text
//! account/<account id>                       AccountRow
//! account-name/<name>                        the account's id
//! account-number/<number>                    the account's id; it stays when the account goes
//! account-email/<address>/<account id>       (nothing): lists the accounts that have an address of mail
//! user/<user id>                             UserRow; likewise group, role and policy
//! user-name/<account id>/<name>              the user's id; likewise group-name, role-name and policy-name
//! key/<access key>                           KeyRow
//! key-of/<user id or account id>/<access key>        (nothing): lists the access keys of a user, or of an account's root
//! key-used/<access key>                              KeyUsedRow
//! member/<group id>/<user id>                        (nothing): lists the members of a group
//! policy-use/<account id>/<policy id>/<entity id>    (nothing): lists where a policy is attached, or bounds
//! oidc-provider/<account id>/<address>               OidcProviderRow
//! ```
//! Names in keys are in lower case: no two differ in case alone. An id is given once. What is named by a row counts only
//! while the very row of that id is there and says the same: a name row whose entity is gone, or has another name by now,
//! names nothing; so a name taken again revives nothing, and a crash between two rows gives nobody more than the rows of
//! users, groups, roles and keys say. Rows that only list are compared with them by whatever reads a list.
//!
//! Promises: [`is_followed`] tells the rows that gateways decide by and keep in memory; a range counts their changes.
//! Must not know: when a row is written, how secrets are sealed, what a policy says.

mod account;
mod forms;
mod grants;
mod key;
mod named;
mod provider;

pub use account::{AccountRow, PublicAccessBlock};
pub use forms::{ACCOUNT_NUMBER_DIGITS, is_account_id, is_account_number, is_unique_id};
pub use grants::{ATTACHED_MAX, AttachedPolicy, GROUPS_MAX, Grants, InlinePolicy, TAGS_MAX, Tag, VERSIONS_MAX};
pub use key::{KeyRow, KeyUsedRow};
pub use named::{GroupRow, Named, PolicyRow, PolicyVersion, RoleRow, UserRow};
pub use provider::OidcProviderRow;

use bytes::Bytes;
use couronne_base::codec::{self, Corrupt};

/// The kinds of rows that decide about requests.
const FOLLOWED: [&str; 6] = ["account", "user", "group", "role", "policy", "key"];

/// The text of the key of the row of an entity.
pub fn entity<T: Named>(id: &str) -> String {
    format!("{}/{id}", T::KIND)
}

/// The text of the key of the row that has the id of a name; accounts lie in no scope, all else in its account.
pub fn name<T: Named>(scope: &str, name: &str) -> String {
    format!("{}{}", names::<T>(scope), name.to_ascii_lowercase())
}

/// What the keys of the rows of all names of a scope begin with.
pub fn names<T: Named>(scope: &str) -> String {
    if scope.is_empty() { format!("{}-name/", T::KIND) } else { format!("{}-name/{scope}/", T::KIND) }
}

/// The text of the key of the row that has the id of an account's number.
pub fn account_number(number: &str) -> String {
    format!("account-number/{number}")
}

/// What the keys of the rows begin with that list the accounts with an address of mail.
pub fn account_emails(email: &str) -> String {
    format!("account-email/{}/", email.to_ascii_lowercase())
}

/// The text of the key of the row that lists an account with an address of mail.
pub fn account_email(email: &str, id: &str) -> String {
    format!("{}{id}", account_emails(email))
}

/// The text of the key of an access key's row.
pub fn key(access_key: &str) -> String {
    format!("key/{access_key}")
}

/// The text of the key of the row that lists an access key of a user, or of an account's root.
pub fn key_of(owner: &str, access_key: &str) -> String {
    format!("key-of/{owner}/{access_key}")
}

/// The text of the key of the row that says when an access key was used.
pub fn key_used(access_key: &str) -> String {
    format!("key-used/{access_key}")
}

/// The text of the key of the row that lists a member of a group.
pub fn member(group_id: &str, user_id: &str) -> String {
    format!("member/{group_id}/{user_id}")
}

/// The text of the key of the row that lists where a policy is used.
pub fn policy_use(account_id: &str, policy_id: &str, entity_id: &str) -> String {
    format!("policy-use/{account_id}/{policy_id}/{entity_id}")
}

/// The text of the key of the row of an OpenID Connect provider, by its address without the scheme.
pub fn oidc_provider(account_id: &str, name: &str) -> String {
    format!("oidc-provider/{account_id}/{name}")
}

/// Whether rows of this key, as it stands in a key of the cluster's own rows, are followed by gateways.
pub fn is_followed(key: &[u8]) -> bool {
    FOLLOWED.iter().any(|kind| key.strip_prefix(kind.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/')))
}

/// Whether a row of this kind and key may have this value; `None`: identities have no such kind.
pub(super) fn check(kind: &str, rest: &str, value: &Bytes) -> Option<Result<bool, Corrupt>> {
    let nothing = || Ok(codec::decode::<Bytes>(value)?.is_empty());
    Some(match kind {
        "account" => named::check::<AccountRow>(rest, value),
        "user" => named::check::<UserRow>(rest, value),
        "group" => named::check::<GroupRow>(rest, value),
        "role" => named::check::<RoleRow>(rest, value),
        "policy" => named::check::<PolicyRow>(rest, value),
        "account-name" => named::check_name::<AccountRow>(value),
        "user-name" => named::check_name::<UserRow>(value),
        "group-name" => named::check_name::<GroupRow>(value),
        "role-name" => named::check_name::<RoleRow>(value),
        "policy-name" => named::check_name::<PolicyRow>(value),
        "account-number" => codec::decode::<Box<str>>(value).map(|id| is_account_number(rest) && is_account_id(&id)),
        "key" => codec::decode::<KeyRow>(value).map(|row| row.is_sound()),
        "key-used" => codec::decode::<KeyUsedRow>(value).map(|_| true),
        "oidc-provider" => codec::decode::<OidcProviderRow>(value).map(|row| row.is_sound()),
        "account-email" | "key-of" | "member" | "policy-use" => nothing(),
        _ => return None,
    })
}
