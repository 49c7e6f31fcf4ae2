//! Sessions: temporary credentials whose token says all that a gateway needs, so that none keeps them.
//!
//! The token is sealed under a secret of the cluster, about its access key; the secret key is in it. What may change while the
//! session lasts is not in it but in the rows that it names: the access key that began it, the user, the roles.
//!
//! Promises: a session ends at its time, and within [`crate::identity::IdentitySettings::credential_cache_ms`] of the end of what
//! made it: its access key disabled, expired or deleted, its user deleted, a role on the way to it deleted. It ends as
//! well when the secret that sealed its token is changed.
//! Must not know: who may have a session, HTTP.

mod credential;
mod token;

pub use credential::TokenFault;
pub(super) use token::SessionClaims;
pub use token::{SessionOf, SessionPolicies};

use std::sync::Arc;

use couronne_base::codec;
use couronne_metadata::system::identity::Tag;
use zeroize::Zeroizing;

use super::documents::check_document;
use super::names::random_session_key;
use super::tags::check_tags;
use super::{Account, AttachedPolicy, Credential, CredentialSource, Identity, IdentityError, Maker, MakerKey, NewKey};
use crate::access::policy::PolicyKind;
use crate::identity::callers::CallerKind;

/// The most that policies and tags of a session may be together, in bytes: IAM's bound is on a packed form of its own.
const PACKED_BYTES_MAX: usize = 4_096;

/// A session to be made.
pub struct NewSession {
    /// In whose name it acts.
    pub of: SessionOf,
    /// Policies that narrow what it may do.
    pub policies: Option<SessionPolicies>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// How long it lasts. Seconds.
    pub lifetime_s: u64,
}

/// A session that was made. The token and the secret key are shown only now.
pub struct IssuedSession {
    /// The access key and the secret key.
    pub key: NewKey,
    /// The token.
    pub token: Box<str>,
    /// From when on it is good no more; seconds since 1970.
    pub expires_s: u64,
    /// How much of the bound its policies and tags take, in percent; none if it has neither.
    pub packed_percent: Option<usize>,
}

impl Identity {
    /// Makes a session for a caller that may have it.
    pub fn issue_session(&self, by: &Credential, new: NewSession) -> Result<IssuedSession, IdentityError> {
        let NewSession { of, policies, tags, lifetime_s } = new;
        check_tags(&tags)?;
        for document in policies.iter().flat_map(|policies| &policies.documents) {
            check_document(PolicyKind::Session, document)?;
        }
        let packed = packed_bytes(policies.as_ref(), &tags);
        if packed > PACKED_BYTES_MAX {
            return Err(IdentityError::PackedTooLarge(percent(packed)));
        }
        let issued_ms = self.engine.env().clock.wall_ms();
        let expires_s = (issued_ms / 1000).saturating_add(lifetime_s);
        let key = random_session_key(self.engine.env());
        let secret = Zeroizing::new(String::from_utf8_lossy(key.secret.expose()).into_owned());
        let maker = maker(by);
        let claims = SessionClaims { of, maker, policies, tags, issued_ms, expires_s, secret };
        let bytes = Zeroizing::new(codec::encode(&claims).to_vec());
        let sealed = self.secrets.load().tokens.seal_about(&[key.access_key.as_bytes()], &bytes)?;
        let packed_percent = (packed > 0).then(|| percent(packed));
        Ok(IssuedSession { token: token::text(&sealed), key, expires_s, packed_percent })
    }

    /// A managed policy of the account, to narrow a session.
    pub async fn session_policy(&self, account: &Account, arn: &str) -> Result<AttachedPolicy, IdentityError> {
        self.to_attach(account, arn).await
    }
}

/// What a session ends with that this caller makes.
fn maker(by: &Credential) -> Maker {
    let key = |created| Some(MakerKey { access_key: by.access_key.clone(), created });
    match (&by.source, &by.caller.token) {
        (CredentialSource::ClusterRoot, _) => Maker { key: key(None), roles: Vec::new() },
        (CredentialSource::AccessKey(created), _) => Maker { key: key(Some(*created)), roles: Vec::new() },
        (CredentialSource::Session(_), Some(token)) => {
            let mut maker = token.maker.clone();
            if let CallerKind::RoleSession { role_id, .. } = &by.caller.kind {
                maker.roles.push(role_id.clone());
            }
            maker
        }
        // An identity provider vouches for it: nothing here made it.
        (CredentialSource::Nobody | CredentialSource::WebIdentity, _) | (CredentialSource::Session(_), None) => {
            Maker::default()
        }
    }
}

fn percent(bytes: usize) -> usize {
    bytes.saturating_mul(100).div_ceil(PACKED_BYTES_MAX)
}

fn packed_bytes(policies: Option<&SessionPolicies>, tags: &[Tag]) -> usize {
    let documents = policies.iter().flat_map(|policies| &policies.documents).map(|text: &Arc<str>| text.len());
    let managed = policies.iter().flat_map(|policies| &policies.managed).map(|policy| policy.arn.len());
    let tags = tags.iter().map(|tag| tag.key.len() + tag.value.len());
    documents.chain(managed).chain(tags).sum()
}
