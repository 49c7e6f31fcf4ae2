//! The rows of the cluster's own that gateways write: what each kind holds, told by how its key begins.
//!
//! ```text
//! bucket/<name>                        which bucket a name means: [`crate::evaluate::registry`]
//! owned/<account id>/<name>            by which an account's buckets are listed: [`owned`]
//! account/..., user/..., key/... and the like              identities: [`identity`]
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
use crate::key::{self, RowKind};
use crate::store::{StoreError, View};
use owned::OwnedRow;

/// The key of the row that counts the changes of followed rows ([`identity::is_followed`]) of a range. Applying alone
/// writes it, in the same batch as the row that changes.
pub(crate) fn identity_changes_row() -> Bytes {
    key::of_range(RowKind::IdentityChanges, &[])
}

/// How often followed rows of the range changed so far.
pub(crate) fn identity_changes(view: &dyn View) -> Result<u64, StoreError> {
    Ok(view.get(&identity_changes_row())?.map(|bytes| codec::decode(&bytes)).transpose()?.unwrap_or(0))
}

/// Whether a row of this key may have this value.
pub fn check(key: &ObjectKey, value: &Bytes) -> Result<(), Corrupt> {
    let Some((kind, rest)) = key.as_str().split_once('/') else { return Ok(()) };
    let is_right = match kind {
        "owned" => {
            let (_, name) = rest.split_once('/').ok_or(Corrupt("no bucket in the key of an account's bucket"))?;
            OwnedRow::decode(value)?.id.is_of(name)
        }
        _ => identity::check(kind, rest, value).unwrap_or(Ok(true))?,
    };
    if is_right { Ok(()) } else { Err(Corrupt("a row of the cluster's own says what its key denies")) }
}
