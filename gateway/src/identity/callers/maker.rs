//! What a session ends with. It stands in the session's token.
//!
//! Must not know: rows.

use couronne_base::codec::table::record;
use couronne_metadata::ids::Ordinal;

/// What a session ends with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maker {
    /// The access key that signed for it, or for the first session on the way to it.
    pub key: Option<MakerKey>,
    /// The ids of the roles whose sessions lie on the way to it.
    pub roles: Vec<Box<str>>,
}

/// An access key that made a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MakerKey {
    /// The access key.
    pub access_key: Box<str>,
    /// When it was created; none: it is that of the cluster's root credentials.
    pub created: Option<Ordinal>,
}

record! { Maker { 1 key, 2 roles } }
record! { MakerKey { 1 access_key, 2 created } }
