//! The row of an OpenID Connect provider.
//!
//! Must not know: how its tokens are verified.

use couronne_base::codec::table::record;

use super::grants::{TAGS_MAX, Tag};
use crate::ids::Ordinal;

/// `oidc-provider/<account id>/<address without its scheme>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProviderRow {
    /// The audiences that its tokens may be for.
    pub client_ids: Vec<Box<str>>,
    /// SHA-1 of the certificates that it may show, in hexadecimal.
    pub thumbprints: Vec<Box<str>>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
}

record! { OidcProviderRow { 1 client_ids, 2 thumbprints, 3 tags, 4 created } }

impl OidcProviderRow {
    pub(super) fn is_sound(&self) -> bool {
        self.tags.len() <= TAGS_MAX
    }
}
