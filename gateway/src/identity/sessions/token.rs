//! The token of a session, as it is sealed.
//!
//! ```text
//! token = base64url(sealed(claims), about the session's access key)
//! ```
//! Must not know: rows, secrets of the cluster.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use couronne_base::codec::table::{choice, record};
use couronne_metadata::system::identity::{AttachedPolicy, Tag};
use zeroize::Zeroizing;

use crate::identity::Maker;

/// The longest token that is looked at, in bytes. Policies and tags of a session are bounded, so that none is longer.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// What a token says.
#[derive(Clone)]
pub(in crate::identity) struct SessionClaims {
    /// In whose name the session acts.
    pub(in crate::identity) of: SessionOf,
    /// What the session ends with.
    pub(in crate::identity) maker: Maker,
    /// Policies that narrow what the session may do.
    pub(in crate::identity) policies: Option<SessionPolicies>,
    /// Its tags.
    pub(in crate::identity) tags: Vec<Tag>,
    /// When it was issued; milliseconds since 1970.
    pub(in crate::identity) issued_ms: u64,
    /// From when on it is good no more; seconds since 1970.
    pub(in crate::identity) expires_s: u64,
    /// The secret key.
    pub(in crate::identity) secret: Zeroizing<String>,
}

/// In whose name a session acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionOf {
    /// The user's or root's that made it.
    Own,
    /// A role's.
    Role {
        /// Its unique id.
        role_id: Box<str>,
        /// The session's name.
        name: Box<str>,
        /// The source identity, if one was set.
        source_identity: Option<Box<str>>,
        /// The identity provider that vouched for the caller, if one did.
        provider: Option<Box<str>>,
    },
    /// That of a federated user, which the user or root that made it calls so.
    Federated {
        /// The name.
        name: Box<str>,
    },
}

/// The policies of a session: it may do what one of them allows, and its maker or role may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPolicies {
    /// Documents.
    pub documents: Vec<Arc<str>>,
    /// Managed policies of the session's account.
    pub managed: Vec<AttachedPolicy>,
}

record! { SessionClaims { 1 of, 2 maker, 3 policies, 4 tags, 5 issued_ms, 6 expires_s, 7 secret } }
choice! { SessionOf {
    1 Own,
    2 Role { 1 role_id, 2 name, 3 source_identity, 4 provider },
    3 Federated { 1 name },
} }
record! { SessionPolicies { 1 documents, 2 managed } }

/// A sealed token as text.
pub(super) fn text(sealed: &[u8]) -> Box<str> {
    BASE64_URL_SAFE_NO_PAD.encode(sealed).into()
}

/// The sealed bytes of a token; `None`: it is none.
pub(super) fn sealed(text: &str) -> Option<Vec<u8>> {
    if text.len() > TOKEN_BYTES_MAX { None } else { BASE64_URL_SAFE_NO_PAD.decode(text).ok() }
}
