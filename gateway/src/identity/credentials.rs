//! The owners of access keys, kept in memory for a bounded while.
//!
//! A key that nobody has is remembered for a short while ([`super::lookups`]): one that another process made a moment
//! ago works after that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use super::rows::{self, KeyRow, UserRow};
use super::seal::SealedFor;
use super::{Credential, Identity, IdentityError, LastDerived};
use crate::engine::EngineError;

/// Credentials by access key.
pub(super) struct CredentialCache {
    credentials: RwLock<HashMap<Box<str>, CachedCredential>>,
    age_max: Duration,
    entries_max: usize,
}

struct CachedCredential {
    credential: Arc<Credential>,
    /// When its rows were read, by the steady clock: before the first of them.
    since: Duration,
}

impl CredentialCache {
    pub(super) fn new(age_max_ms: u64, entries_max: usize) -> Self {
        Self { credentials: RwLock::default(), age_max: Duration::from_millis(age_max_ms), entries_max }
    }

    pub(super) fn forget_all(&self) {
        self.credentials.write().clear();
    }

    fn find(&self, access_key: &str, now: Duration) -> Option<Arc<Credential>> {
        let credentials = self.credentials.read();
        let cached = credentials.get(access_key)?;
        (now.saturating_sub(cached.since) < self.age_max).then(|| cached.credential.clone())
    }

    fn remember(&self, credential: Arc<Credential>, since: Duration) {
        let mut credentials = self.credentials.write();
        if credentials.len() >= self.entries_max {
            credentials.retain(|_, cached| since.saturating_sub(cached.since) < self.age_max);
        }
        if credentials.len() >= self.entries_max {
            credentials.clear();
        }
        credentials.insert(credential.access_key.clone(), CachedCredential { credential, since });
    }
}

impl Identity {
    /// The identity that an access key belongs to; `None` if there is none. Perhaps from memory, at most
    /// [`super::IdentitySettings::credential_cache_ms`] old.
    pub async fn credential(&self, access_key: &str) -> Result<Option<Arc<Credential>>, IdentityError> {
        if let Some(root) = self.secrets.load().root_of(access_key, self.engine.env().clock.wall_ms()) {
            return Ok(Some(root));
        }
        let now = self.engine.env().clock.steady();
        if let Some(credential) = self.credentials.find(access_key, now) {
            return Ok(Some(credential));
        }
        if super::names::check_access_key(access_key).is_err() || self.lookups.is_unknown(access_key, now) {
            return Ok(None);
        }
        let lookup = self.lookups.begin(now).await.map_err(EngineError::from)?;
        let Some(credential) = self.read_credential(access_key).await? else {
            self.lookups.remember(access_key, &lookup);
            return Ok(None);
        };
        let credential = Arc::new(credential);
        self.credentials.remember(credential.clone(), now);
        Ok(Some(credential))
    }

    async fn read_credential(&self, access_key: &str) -> Result<Option<Credential>, IdentityError> {
        let Some((key, _)) = self.rows().get::<KeyRow>(rows::key(access_key)).await? else { return Ok(None) };
        let user = self.rows().get::<UserRow>(rows::user(&key.account_id, &key.user)).await?;
        let account = self.find_account(&key.account_name).await?;
        let (Some((user, _)), Some(account)) = (user, account) else { return Ok(None) };
        if user.created != key.user_created || account.id != key.account_id {
            return Ok(None);
        }
        let secret = self.secrets.load().sealer.open(SealedFor::of(&key, access_key), &key.sealed)?;
        Ok(Some(Credential {
            access_key: access_key.into(),
            secret,
            account: account.id,
            account_name: account.name,
            user: key.user,
            admin: user.admin,
            root: false,
            derived: LastDerived::default(),
        }))
    }
}
