//! Accounts, users, groups, roles, managed policies, access keys and identity providers, kept as system rows; sessions, which are
//! kept nowhere.
//!
//! An account owns buckets; its root and its users act for it with access keys; policies say what they may do. The root
//! credentials of the cluster are a secret of it and need no row. Secrets are sealed at rest.
//!
//! Promises: a key, user, group or policy that was changed or deleted is refused within
//! [`IdentitySettings::credential_cache_ms`] everywhere; a gateway that has not heard for so long whether anything has
//! changed answers nobody whose identity stands in rows, but with [`crate::engine::EngineError::Unavailable`].
//! Must not know: how signatures are made, what policies say, HTTP.

mod accounts;
mod callers;
mod documents;
mod entity;
mod error;
mod grants;
mod groups;
mod keys;
mod managed;
mod names;
pub mod oidc;
mod policies;
mod providers;
mod roles;
mod rows;
mod seal;
mod secrets;
mod sessions;
mod tags;
mod users;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use couronne_metadata::ids::Ordinal;
pub use couronne_metadata::system::identity::{
    AccountRow, AttachedPolicy, Grants, GroupRow, InlinePolicy, KeyUsedRow, OidcProviderRow, PolicyRow, PolicyVersion,
    PublicAccessBlock, RoleRow, Tag, UserRow,
};

use crate::engine::Engine;

pub use callers::{CallerIdentity, CallerKind, Maker, MakerKey, PolicyDocument, TokenFacts};
pub use entity::{Entity, IdentityPage};
pub use error::{EntityKind, IdentityError};
pub use grants::{PolicyTarget, PolicyUse};
pub use keys::{AccessKey, Credential, CredentialSource, KeyOwner, KeySettings, LastDerived, SessionToken};
use keys::{Lookups, UsedKeys};
pub use managed::{ADMINISTRATOR_ACCESS, managed_policies, managed_policy_arn};
pub use names::random_key;
pub use policies::NewPolicy;
pub use providers::{NewOidcProvider, oidc_provider_name};
pub use roles::{NewRole, RoleChange};
use rows::{CacheBounds, IdentityRows};
pub use seal::Secret;
use secrets::Ready;
pub use secrets::{IdentitySecrets, RetiringRoot, RootCredentials};
pub use sessions::{IssuedSession, NewSession, SessionOf, SessionPolicies, TokenFault};
pub use tags::Tagged;
pub use users::NewUser;

/// The longest name of an account, user, group, role or policy, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// The name of the root credentials' account.
pub const ROOT_ACCOUNT: &str = "root";

/// What an operator may tune.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// How long a gateway goes by what it heard last of changes of identities: the bound on a revocation. Milliseconds.
    pub credential_cache_ms: u64,
    /// Credentials and rows of identities kept in memory.
    pub cache_entries_max: usize,
    /// Their bytes.
    pub cache_bytes_max: usize,
    /// How long an access key that nobody has may be taken as unknown from memory. Milliseconds.
    pub unknown_key_cache_ms: u64,
    /// Unknown access keys kept in memory.
    pub unknown_key_cache_entries_max: usize,
    /// Lookups of access keys under way at once; more wait, those of a peer with few before those of one with many.
    pub lookups_max: usize,
    /// How long a request waits to look its access key up. Milliseconds.
    pub lookup_wait_ms: u64,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self {
            credential_cache_ms: 5_000,
            cache_entries_max: 100_000,
            cache_bytes_max: 128 << 20,
            unknown_key_cache_ms: 1_000,
            unknown_key_cache_entries_max: 10_000,
            lookups_max: 64,
            lookup_wait_ms: 5_000,
        }
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its canonical id: 64 hexadecimal digits, never reused.
    pub id: Box<str>,
    /// Its number as ARNs have it: 12 digits, never reused.
    pub number: Box<str>,
    /// Its name, unique in the cluster.
    pub name: Box<str>,
    /// An address of mail, if one was given.
    pub email: Option<Box<str>>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
    /// What of its buckets is not to be public, whatever they say.
    pub block: PublicAccessBlock,
}

impl Account {
    /// The ARN of a user, group, role or policy of the account.
    pub fn arn(&self, kind: &str, path: &str, name: &str) -> String {
        format!("arn:aws:iam::{}:{kind}{path}{name}", self.number)
    }
}

/// An access key and its secret, as shown once, when it is made.
pub struct NewKey {
    /// The access key.
    pub access_key: Box<str>,
    /// The secret key.
    pub secret: Secret,
}

/// Whether something is deleted that has something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Only if it has nothing: as IAM does.
    IfBare,
    /// With all that it has.
    WithAll,
}

/// The store of identities. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    engine: Engine,
    rows: IdentityRows,
    secrets: Arc<ArcSwap<Ready>>,
    lookups: Arc<Lookups>,
    used_keys: Arc<UsedKeys>,
    anonymous: Arc<Credential>,
    verifier: Option<Arc<oidc::Verifier>>,
    /// How long a credential is gone by before it is fetched again.
    age_max: Duration,
}

impl Identity {
    /// Opens the store. Reads nothing.
    pub fn new(engine: Engine, secrets: IdentitySecrets, settings: IdentitySettings) -> Result<Self, IdentityError> {
        let secrets = Ready::new(secrets, &root_account(engine.cluster()))?;
        let IdentitySettings { credential_cache_ms, cache_entries_max, cache_bytes_max, .. } = settings;
        let IdentitySettings { unknown_key_cache_ms, unknown_key_cache_entries_max, .. } = settings;
        let IdentitySettings { lookups_max, lookup_wait_ms, .. } = settings;
        let lookups = Lookups::new(lookups_max, lookup_wait_ms, unknown_key_cache_ms, unknown_key_cache_entries_max);
        let age_max = Duration::from_millis(credential_cache_ms);
        let bounds = CacheBounds { age_max, entries_max: cache_entries_max, bytes_max: cache_bytes_max };
        Ok(Self {
            rows: IdentityRows::new(engine.clone(), bounds),
            engine,
            secrets: Arc::new(ArcSwap::from_pointee(secrets)),
            lookups: Arc::new(lookups),
            used_keys: Arc::default(),
            anonymous: Arc::new(Credential::new(
                "".into(),
                Secret::new(""),
                CallerIdentity::anonymous(),
                CredentialSource::Nobody,
            )),
            verifier: None,
            age_max,
        })
    }

    /// The same store, which also verifies tokens of OpenID Connect providers.
    #[must_use]
    pub fn with_verifier(self, verifier: Arc<oidc::Verifier>) -> Self {
        Self { verifier: Some(verifier), ..self }
    }

    /// What verifies tokens of OpenID Connect providers, if anything does.
    pub fn verifier(&self) -> Option<&oidc::Verifier> {
        self.verifier.as_deref()
    }

    /// The account of the root credentials as it is without a row.
    pub fn root_account(&self) -> Account {
        root_account(self.engine.cluster())
    }

    /// The time now, as rows have it.
    fn now(&self) -> Ordinal {
        Ordinal(self.engine.env().clock.wall_us())
    }
}

fn root_account(cluster: u128) -> Account {
    Account {
        id: names::root_id(cluster),
        number: names::root_number(cluster),
        name: ROOT_ACCOUNT.into(),
        email: None,
        created: Ordinal(0),
        block: PublicAccessBlock::default(),
    }
}
