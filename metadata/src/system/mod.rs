//! The rows of the cluster's own that gateways write: what each kind holds, told by how its key begins.
//!
//! ```text
//! bucket/<name>                        which bucket a name means: [`crate::evaluate::registry`]
//! owned/<account id>/<name>            by which an account's buckets are listed: [`owned`]
//! account/<name>, account-id/<id>, user/<account id>/<user>,
//! user-key/<account id>/<user>/<key>, key/<access key>      identities: [`identity`]
//! ```
//!
//! Promises: a row of a known kind is written only if its readers can decode it and it says nothing that its key denies
//! ([`check`]), whichever gateway sends it. Rows of other kinds nobody reads.
//! Must not know: who writes a row when, and what follows from it.

pub mod identity;
pub mod owned;

use bytes::Bytes;
use couronne_base::codec::{self, Corrupt};

use crate::ids::ObjectKey;
use identity::{AccountRow, KeyRow, UserRow};
use owned::OwnedRow;

/// Whether a row of this key may have this value.
pub fn check(key: &ObjectKey, value: &Bytes) -> Result<(), Corrupt> {
    let Some((kind, rest)) = key.as_str().split_once('/') else { return Ok(()) };
    let is_right = match kind {
        "owned" => {
            let (_, name) = rest.split_once('/').ok_or(Corrupt("no bucket in the key of an account's bucket"))?;
            OwnedRow::decode(value)?.id.is_of(name)
        }
        "account" => identity::is_account_id(&codec::decode::<AccountRow>(value)?.id),
        "account-id" => identity::is_account_id(rest) && !codec::decode::<Box<str>>(value)?.is_empty(),
        "user" => codec::decode::<UserRow>(value).map(|_| true)?,
        "user-key" => codec::decode::<Bytes>(value)?.is_empty(),
        "key" => identity::is_account_id(&codec::decode::<KeyRow>(value)?.account_id),
        _ => true,
    };
    if is_right { Ok(()) } else { Err(Corrupt("a row of the cluster's own says what its key denies")) }
}
