//! The keys of the providers that were asked last.
//!
//! Keys are fetched when a token needs them. They count for [`LIFE`]; from [`FRESH`] on the first request that needs them
//! has them fetched again and does not wait for it, so a provider that is away for a while keeps nobody out. A token that
//! names an unknown key has them fetched at once, for the provider may have changed its keys. A provider is asked by one task at a
//! time, and not again for [`PAUSE`] after that, whatever came of it.
//!
//! Promises: keys that their provider withdrew count for [`LIFE`] at most; what is kept is bounded.
//! Must not know: how keys are fetched, what tokens claim.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Clock;
use parking_lot::Mutex;
use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard};
use tracing::warn;

use super::Provider;
use super::discovery::{Documents, fetch_keys};
use super::error::TokenError;
use super::key::KeySet;

/// How long keys count.
pub(super) const LIFE: Duration = Duration::from_secs(3_600);
/// How long they are not fetched again, unless a token names an unknown one.
pub(super) const FRESH: Duration = Duration::from_secs(900);
/// How long a provider is left alone after it was asked.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// Providers whose keys are kept; of more, the one that was needed longest ago is forgotten.
pub(super) const PROVIDERS_MAX: usize = 1_024;

/// The keys of providers, by their URLs: accounts that trust the same provider share them.
pub(super) struct KeySets {
    documents: Arc<dyn Documents>,
    clock: Arc<dyn Clock>,
    providers: Mutex<BTreeMap<Box<str>, Arc<Published>>>,
}

/// What a provider published.
#[derive(Default)]
struct Published {
    known: Mutex<Known>,
    /// Held by the task that asks the provider.
    turn: Arc<TurnMutex<()>>,
}

/// Times are of the steady clock.
#[derive(Clone, Default)]
struct Known {
    /// The keys, and when they came.
    keys: Option<(Arc<KeySet>, Duration)>,
    /// When the provider had been asked last.
    asked: Option<Duration>,
    /// When its keys were needed last.
    needed: Duration,
}

impl KeySets {
    pub(super) fn new(documents: Arc<dyn Documents>, clock: Arc<dyn Clock>) -> Self {
        Self { documents, clock, providers: Mutex::default() }
    }

    /// The keys of a provider, for a token that names this key, or none.
    pub(super) async fn keys_for(&self, provider: &Provider, key_id: Option<&str>) -> Result<Arc<KeySet>, TokenError> {
        let published = self.published(&provider.issuer);
        match published.usable(self.clock.steady()) {
            Some((keys, age)) if keys.has(key_id) => {
                // Where the turn is taken somebody asks already.
                let turn = (age >= FRESH).then(|| Arc::clone(&published.turn).try_lock_owned().ok()).flatten();
                if let Some(turn) = turn {
                    tokio::spawn(self.asking(provider, Arc::clone(&published), turn));
                }
                return Ok(keys);
            }
            _ => {}
        }
        let turn = Arc::clone(&published.turn).lock_owned().await;
        // In a task of its own: a client that goes away must not have the provider asked again by the next one.
        tokio::spawn(self.asking(provider, Arc::clone(&published), turn)).await.ok();
        published.usable(self.clock.steady()).map(|(keys, _)| keys).ok_or(TokenError::Communication)
    }

    /// Asks the provider for its keys, unless that was just done.
    fn asking(
        &self,
        provider: &Provider,
        published: Arc<Published>,
        turn: OwnedMutexGuard<()>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (documents, clock) = (Arc::clone(&self.documents), Arc::clone(&self.clock));
        let Provider { account, issuer, .. } = provider.clone();
        async move {
            let asked = published.known.lock().asked;
            if asked.is_some_and(|asked| clock.steady().saturating_sub(asked) < PAUSE) {
                return;
            }
            let fetched = fetch_keys(&*documents, &account, &issuer).await;
            let now = clock.steady();
            {
                let mut known = published.known.lock();
                known.asked = Some(now);
                match fetched {
                    Ok(keys) => known.keys = Some((Arc::new(keys), now)),
                    Err(error) => warn!(%issuer, %error, "the keys of an identity provider cannot be had"),
                }
            }
            drop(turn);
        }
    }

    /// What the provider published; nothing if it is a new one.
    fn published(&self, issuer: &str) -> Arc<Published> {
        let mut providers = self.providers.lock();
        if !providers.contains_key(issuer) && providers.len() >= PROVIDERS_MAX {
            let oldest = providers.iter().min_by_key(|(_, published)| published.known.lock().needed);
            if let Some(oldest) = oldest.map(|(issuer, _)| issuer.clone()) {
                providers.remove(&oldest);
            }
        }
        let published = Arc::clone(providers.entry(issuer.into()).or_default());
        drop(providers);
        published.known.lock().needed = self.clock.steady();
        published
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.providers.lock().len()
    }
}

impl Published {
    /// The keys, if they still count, and their age.
    fn usable(&self, now: Duration) -> Option<(Arc<KeySet>, Duration)> {
        let (keys, came) = self.known.lock().keys.clone()?;
        let age = now.saturating_sub(came);
        (age < LIFE).then_some((keys, age))
    }
}
