//! Accounts, users and access keys, kept as system rows.
//!
//! An account owns buckets; its users act for it; a user has access keys. The root credentials are a
//! secret of the cluster and need no row. Secrets are sealed at rest.
//!
//! Promises: a key that was revoked stops working within [`IdentitySettings::credential_cache_ms`].
//! Must not know: how signatures are made, HTTP.

mod accounts;
mod credentials;
mod derived;
mod lookups;
mod names;
mod rows;
mod seal;
mod secret;
mod secrets;
mod users;

use std::sync::Arc;

use arc_swap::ArcSwap;
use couronne_metadata::ids::Ordinal;
use thiserror::Error;

use crate::engine::{Engine, EngineError};

use credentials::CredentialCache;
pub use derived::LastDerived;
use lookups::Lookups;
pub use names::random_key;
use rows::Rows;
pub use secret::Secret;
use secrets::Ready;
pub use secrets::{IdentitySecrets, RetiringRoot, RootCredentials};

/// The longest name of an account or user, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// The name of the root credentials' account and user.
pub const ROOT_ACCOUNT: &str = "root";

/// What an operator may tune.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// How long a credential may be taken from memory: the bound on a revocation. Milliseconds.
    pub credential_cache_ms: u64,
    /// Credentials kept in memory.
    pub credential_cache_entries_max: usize,
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
            credential_cache_entries_max: 10_000,
            unknown_key_cache_ms: 1_000,
            unknown_key_cache_entries_max: 10_000,
            lookups_max: 64,
            lookup_wait_ms: 5_000,
        }
    }
}

/// The identity that a request comes from, found by its access key.
pub struct Credential {
    /// The access key.
    pub access_key: Box<str>,
    /// Its secret key.
    pub secret: Secret,
    /// The account, as buckets are owned by: its canonical id (64 hexadecimal digits).
    pub account: Box<str>,
    /// The account's name.
    pub account_name: Box<str>,
    /// The user's name within the account.
    pub user: Box<str>,
    /// Whether the user is noted as an administrator of the account; nothing is decided by it yet.
    pub admin: bool,
    /// Whether these are the root credentials.
    pub root: bool,
    /// The key that its secret was last made into, to verify signatures.
    pub derived: LastDerived,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its canonical id: 64 hexadecimal digits, never reused.
    pub id: Box<str>,
    /// Its name, unique in the cluster.
    pub name: Box<str>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
}

/// A user of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name, unique in the account.
    pub name: Box<str>,
    /// Whether it is noted as an administrator of the account; nothing is decided by it yet.
    pub admin: bool,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
    /// Its access keys.
    pub access_keys: Vec<Box<str>>,
}

/// An access key and its secret, as shown once, when it is made.
pub struct NewKey {
    /// The access key.
    pub access_key: Box<str>,
    /// The secret key.
    pub secret: Secret,
}

/// A user to be created.
pub struct CreateUser {
    /// The account's name.
    pub account: Box<str>,
    /// The user's name.
    pub user: Box<str>,
    /// Whether it is noted as an administrator of the account; nothing is decided by it yet.
    pub admin: bool,
    /// Its first key; `None` makes a random one.
    pub key: Option<NewKey>,
}

/// Why an identity verb did not do it.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// No account of this name.
    #[error("no such account")]
    NoSuchAccount,
    /// No user of this name in the account.
    #[error("no such user")]
    NoSuchUser,
    /// No such access key.
    #[error("no such access key")]
    NoSuchKey,
    /// The name or access key is taken.
    #[error("the {0} exists already")]
    Exists(&'static str),
    /// The account still has users or buckets.
    #[error("the account still has {0}")]
    NotEmpty(&'static str),
    /// A name, access key or secret has a form that is not allowed.
    #[error("{0}")]
    Invalid(&'static str),
    /// A stored secret does not open: it is damaged, or the cluster secret is another.
    #[error("a stored secret does not open")]
    Sealed,
    /// The rows could not be read or written.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The store of identities. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    engine: Engine,
    secrets: Arc<ArcSwap<Ready>>,
    credentials: Arc<CredentialCache>,
    lookups: Arc<Lookups>,
}

impl Identity {
    /// Opens the store.
    pub fn new(engine: Engine, secrets: IdentitySecrets, settings: IdentitySettings) -> Result<Self, IdentityError> {
        let secrets = Ready::new(secrets, &root_account(engine.cluster()))?;
        let secrets = Arc::new(ArcSwap::from_pointee(secrets));
        let IdentitySettings { credential_cache_ms, credential_cache_entries_max, .. } = settings;
        let IdentitySettings { unknown_key_cache_ms, unknown_key_cache_entries_max, .. } = settings;
        let IdentitySettings { lookups_max, lookup_wait_ms, .. } = settings;
        let lookups = Lookups::new(lookups_max, lookup_wait_ms, unknown_key_cache_ms, unknown_key_cache_entries_max);
        let credentials = Arc::new(CredentialCache::new(credential_cache_ms, credential_cache_entries_max));
        Ok(Self { engine, secrets, credentials, lookups: Arc::new(lookups) })
    }

    /// The account of the root credentials: it needs no row.
    pub fn root_account(&self) -> Account {
        root_account(self.engine.cluster())
    }

    const fn rows(&self) -> Rows<'_> {
        Rows(&self.engine)
    }
}

fn root_account(cluster: u128) -> Account {
    Account { id: names::root_id(cluster), name: ROOT_ACCOUNT.into(), created: Ordinal(0) }
}
