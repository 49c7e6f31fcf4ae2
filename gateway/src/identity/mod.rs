//! Accounts, users and access keys, kept as system rows.
//!
//! An account owns buckets; its users act for it; a user has access keys. The root credentials come
//! from settings and need no row. Secrets are sealed at rest.
//!
//! Promises: a key that was revoked stops working within [`IdentitySettings::credential_cache_ms`].
//! Must not know: signatures, HTTP.

mod secret;

use std::sync::Arc;

use couronne_metadata::ids::Ordinal;
use thiserror::Error;

use crate::engine::{Engine, EngineError};

pub use secret::Secret;

/// The longest name of an account or user, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// What an operator may tune.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// How long a credential may be taken from memory: the bound on a revocation. Milliseconds.
    pub credential_cache_ms: u64,
    /// Credentials kept in memory.
    pub credential_cache_entries_max: usize,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self { credential_cache_ms: 5_000, credential_cache_entries_max: 10_000 }
    }
}

/// The credentials that need no row: who sets the cluster up signs with them.
#[derive(Clone)]
pub struct RootCredentials {
    /// The access key.
    pub access_key: Box<str>,
    /// The secret key.
    pub secret: Secret,
}

/// Who a request comes from, found by its access key.
#[derive(Clone)]
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
    /// Whether the user may administer the account.
    pub admin: bool,
    /// Whether these are the root credentials.
    pub root: bool,
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
    /// Whether it may administer the account.
    pub admin: bool,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
    /// Its access keys.
    pub access_keys: Vec<Box<str>>,
}

/// An access key and its secret, as shown once to whom it was made for.
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
    /// Whether it may administer the account.
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
    root: Arc<RootCredentials>,
    cluster_secret: Arc<Secret>,
    settings: IdentitySettings,
}

impl Identity {
    /// Opens the store. `cluster_secret` (32 bytes) seals the secrets of access keys.
    pub fn new(
        engine: Engine,
        root: RootCredentials,
        cluster_secret: Secret,
        settings: IdentitySettings,
    ) -> Result<Self, IdentityError> {
        if cluster_secret.expose().len() != 32 {
            return Err(IdentityError::Invalid("the cluster secret has 32 bytes"));
        }
        Ok(Self { engine, root: Arc::new(root), cluster_secret: Arc::new(cluster_secret), settings })
    }

    /// Whom an access key belongs to; `None` if nobody. Perhaps from memory.
    pub async fn credential(&self, access_key: &str) -> Result<Option<Arc<Credential>>, IdentityError> {
        let _ = (&self.engine, &self.root, &self.cluster_secret, &self.settings, access_key);
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }

    /// Creates an account.
    pub async fn create_account(&self, name: &str) -> Result<Account, IdentityError> {
        let _ = name;
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }

    /// An account by its name.
    pub async fn account(&self, name: &str) -> Result<Account, IdentityError> {
        let _ = name;
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }

    /// An account by its canonical id.
    pub async fn account_by_id(&self, id: &str) -> Result<Account, IdentityError> {
        let _ = id;
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }

    /// Accounts by name, after `after`, at most `limit`; and whether more follow.
    pub async fn list_accounts(&self, after: &str, limit: u32) -> Result<(Vec<Account>, bool), IdentityError> {
        let _ = (after, limit);
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }

    /// Deletes an account that has neither users nor buckets.
    pub async fn delete_account(&self, name: &str) -> Result<(), IdentityError> {
        let _ = name;
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }

    /// Creates a user with one access key.
    pub async fn create_user(&self, create: CreateUser) -> Result<(User, NewKey), IdentityError> {
        let _ = create;
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }

    /// A user of an account.
    pub async fn user(&self, account: &str, user: &str) -> Result<User, IdentityError> {
        let _ = (account, user);
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }

    /// Users of an account by name, after `after`, at most `limit`; and whether more follow.
    pub async fn list_users(&self, account: &str, after: &str, limit: u32) -> Result<(Vec<User>, bool), IdentityError> {
        let _ = (account, after, limit);
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }

    /// Deletes a user and its access keys.
    pub async fn delete_user(&self, account: &str, user: &str) -> Result<(), IdentityError> {
        let _ = (account, user);
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }

    /// Adds an access key to a user; `None` makes a random one.
    pub async fn create_key(&self, account: &str, user: &str, key: Option<NewKey>) -> Result<NewKey, IdentityError> {
        let _ = (account, user, key);
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }

    /// Revokes an access key.
    pub async fn delete_key(&self, access_key: &str) -> Result<(), IdentityError> {
        let _ = access_key;
        Err(EngineError::Unavailable("not built yet".to_owned()).into())
    }
}
