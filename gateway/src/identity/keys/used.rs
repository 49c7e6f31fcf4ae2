//! When access keys were last used: a row a key, written seldom and beside requests.
//!
//! Promises: one row is written at most once in [`NOTED_EVERY_S`] by a gateway, and no request waits for it; so what it
//! says may be that much too early.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use couronne_metadata::command::Expect;
use couronne_metadata::system::identity::{self as at, KeyRow, KeyUsedRow};
use tokio::sync::Semaphore;

use super::{Credential, CredentialSource};
use crate::identity::{EntityKind, Identity, IdentityError};

/// How often the use of a key is noted, in seconds.
const NOTED_EVERY_S: u64 = 900;

/// Uses that are noted at once; those of others are noted at a later request.
const AT_ONCE: usize = 4;

/// The notes under way.
pub(in crate::identity) struct UsedKeys(Arc<Semaphore>);

impl Default for UsedKeys {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Identity {
    /// A request was signed with this credential, for that service and region.
    pub fn note_use(&self, credential: &Arc<Credential>, service: &str, region: &str) {
        let CredentialSource::AccessKey(created) = credential.source else { return };
        let now_s = self.engine.env().clock.wall_ms() / 1000;
        let noted_s = credential.noted_s.load(Ordering::Relaxed);
        if now_s < noted_s.saturating_add(NOTED_EVERY_S) {
            return;
        }
        let Ok(place) = self.used_keys.0.clone().try_acquire_owned() else { return };
        let noted = credential.noted_s.compare_exchange(noted_s, now_s, Ordering::Relaxed, Ordering::Relaxed);
        if noted.is_err() {
            return;
        }
        let row = KeyUsedRow { created, used_s: now_s, service: service.into(), region: region.into() };
        let (identity, access_key) = (self.clone(), credential.access_key.clone());
        tokio::spawn(async move {
            if let Err(error) = identity.write_use(&access_key, &row).await {
                tracing::debug!(%access_key, %error, "the use of an access key is not noted");
            }
            drop(place);
        });
    }

    async fn write_use(&self, access_key: &str, row: &KeyUsedRow) -> Result<(), IdentityError> {
        let name = at::key_used(access_key);
        let before = self.rows.get::<KeyUsedRow>(name.clone()).await?;
        // Another gateway may have noted it, or this one before what it knew of the key changed.
        let is_noted = |before: &KeyUsedRow| {
            before.created == row.created && row.used_s < before.used_s.saturating_add(NOTED_EVERY_S)
        };
        if before.as_ref().is_some_and(|(before, _)| is_noted(before)) {
            return Ok(());
        }
        let expect = before.map_or(Expect::Absent, |(_, version)| Expect::Version(version));
        self.rows.put(name, expect, row).await.map(|_| ())
    }

    /// When an access key was last used; `None`: never.
    pub async fn key_last_used(&self, access_key: &str) -> Result<Option<KeyUsedRow>, IdentityError> {
        let key = self.rows.get::<KeyRow>(at::key(access_key)).await?;
        let (key, _) = key.ok_or(IdentityError::NoSuch(EntityKind::AccessKey))?;
        let used = self.rows.get::<KeyUsedRow>(at::key_used(access_key)).await?.map(|(used, _)| used);
        // A row of a key of the same name that was before is none of this one's.
        Ok(used.filter(|used| used.created == key.created))
    }
}
