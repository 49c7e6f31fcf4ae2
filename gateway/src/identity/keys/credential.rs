//! From an access key to its caller: the rows that it takes, and their memory.
//!
//! The key's row first; then its user and account at once; then the policies (`callers/policies.rs`). What they make is one
//! value in memory that counts as long as all of them do.
//! A key that nobody has is remembered for a short while ([`super::lookups`]): one that another process made a moment
//! ago works after that.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use couronne_metadata::ids::Ordinal;
use couronne_metadata::system::identity::{self as at, KeyRow};

use super::LastDerived;
use crate::engine::EngineError;
use crate::identity::callers::{CallerIdentity, CallerKind, PolicyDocument};
use crate::identity::rows::Basis;
use crate::identity::seal::SealedFor;
use crate::identity::{Account, Identity, IdentityError, Secret, names};

/// The identity that a request comes from, with what its signature is verified by.
pub struct Credential {
    /// The access key.
    pub access_key: Box<str>,
    /// Its secret key.
    pub secret: Secret,
    /// The caller.
    pub caller: CallerIdentity,
    /// Where it comes from.
    pub source: CredentialSource,
    /// The key that its secret was last made into, to verify signatures.
    pub derived: LastDerived,
    /// When its use was last noted, in seconds since 1970.
    pub(in crate::identity) noted_s: AtomicU64,
}

/// Where a credential comes from: by this it is fetched again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// None: the request is not signed.
    Nobody,
    /// The secrets of the cluster: its root credentials.
    ClusterRoot,
    /// The row of an access key that was created then; microseconds since 1970.
    AccessKey(Ordinal),
    /// A session's token.
    Session(SessionToken),
    /// The token of an identity provider: good for one request.
    WebIdentity,
}

/// A token as a client sends it. It is not printed: it is half of a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(Arc<str>);

impl SessionToken {
    /// A token of this text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }
}

impl Deref for SessionToken {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken")
    }
}

/// A credential in memory.
struct KnownCredential {
    credential: Arc<Credential>,
    expires_s: Option<u64>,
}

impl Credential {
    /// A credential of these values.
    pub fn new(access_key: Box<str>, secret: Secret, caller: CallerIdentity, source: CredentialSource) -> Self {
        let (derived, noted_s) = (LastDerived::default(), AtomicU64::new(0));
        Self { access_key, secret, caller, source, derived, noted_s }
    }

    /// The account that the caller acts for.
    pub const fn account(&self) -> &Account {
        &self.caller.account
    }
}

impl Identity {
    /// The identity of a request that is not signed.
    pub fn anonymous(&self) -> Arc<Credential> {
        self.anonymous.clone()
    }

    /// The identity that an access key belongs to; `None` if there is none, or none that may be used now. Perhaps from
    /// memory, as it was at most [`crate::identity::IdentitySettings::credential_cache_ms`] ago.
    pub async fn credential(&self, access_key: &str) -> Result<Option<Arc<Credential>>, IdentityError> {
        let clock = &self.engine.env().clock;
        if let Some(root) = self.secrets.load().root_of(access_key, clock.wall_ms()) {
            return Ok(Some(root));
        }
        if let Some(known) = self.rows.recall::<KnownCredential>(access_key) {
            return Ok(self.usable(&known));
        }
        let now = clock.steady();
        if names::check_access_key(access_key).is_err() || self.lookups.is_unknown(access_key, now) {
            return Ok(None);
        }
        let lookup = self.lookups.begin(now).await.map_err(EngineError::from)?;
        if let Some((known, _)) = self.rows.find::<KnownCredential>(access_key).await? {
            return Ok(self.usable(&known));
        }
        let mut basis = Basis::default();
        let Some(known) = self.read_credential(access_key, &mut basis).await? else {
            self.lookups.remember(access_key, &lookup);
            return Ok(None);
        };
        let (known, bytes) = (Arc::new(known), std::mem::size_of::<Credential>());
        self.rows.keep(access_key, known.clone(), basis, bytes);
        Ok(self.usable(&known))
    }

    /// A credential as it is now; `None` if it may be used no more, or the access key is another's by now.
    pub async fn credential_again(&self, before: &Credential) -> Result<Option<Arc<Credential>>, IdentityError> {
        let again = match &before.source {
            CredentialSource::Session(token) => self.session_credential(&before.access_key, token).await?.ok(),
            CredentialSource::ClusterRoot | CredentialSource::AccessKey(_) => {
                self.credential(&before.access_key).await?
            }
            CredentialSource::Nobody => Some(self.anonymous()),
            CredentialSource::WebIdentity => None,
        };
        Ok(again.filter(|again| again.source == before.source && again.account().id == before.account().id))
    }

    /// How long a credential is gone by without being fetched again.
    pub const fn credential_age_max(&self) -> Duration {
        self.age_max
    }

    fn usable(&self, known: &KnownCredential) -> Option<Arc<Credential>> {
        let now_s = self.engine.env().clock.wall_ms() / 1000;
        known.expires_s.is_none_or(|expires_s| now_s < expires_s).then(|| known.credential.clone())
    }

    async fn read_credential(
        &self,
        access_key: &str,
        basis: &mut Basis,
    ) -> Result<Option<KnownCredential>, IdentityError> {
        let Some(key) = self.rows.read::<KeyRow>(at::key(access_key), basis).await?.filter(|key| key.is_active) else {
            return Ok(None);
        };
        let Some((account, user)) = self.read_owner(&key, basis).await? else { return Ok(None) };
        let secret = self.secrets.load().sealer.open(SealedFor::of(&key, access_key), &key.sealed)?;
        let account_id = account.id.clone();
        let session = key.session_policy.clone().map(|text| vec![PolicyDocument::new("".into(), text)]);
        let mut caller = CallerIdentity { session, ..CallerIdentity::of_root(account) };
        if let Some(user) = user {
            (caller.policies, caller.boundary) =
                self.read_policies(&user.grants, &user.groups, &account_id, basis).await?;
            caller.kind = CallerKind::of_user(key.owner.clone(), &user);
        }
        let source = CredentialSource::AccessKey(key.created);
        let credential = Arc::new(Credential::new(access_key.into(), secret, caller, source));
        Ok(Some(KnownCredential { credential, expires_s: key.expires_s }))
    }
}
