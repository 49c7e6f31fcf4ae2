//! Reading and writing the rows of identities ([`couronne_metadata::system::identity`]) by their names.
//!
//! Verbs read rows from their ranges ([`IdentityRows::get`]); what decides about requests may come from memory
//! ([`IdentityRows::read`]).
//!
//! Promises: what comes from memory is as its range had it [`CacheBounds::age_max`] ago or later, and as this process itself
//! wrote it; where that cannot be known there is an error. A list leaves out a row that does not decode, and says so in the
//! log: it is nobody's, and hides no other.
//! Must not know: what rows mean.

mod cache;
mod changes;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::codec::{self, Value};
use couronne_client::IdentityRow;
use couronne_metadata::command::Expect;
use couronne_metadata::ids::{ObjectKey, Ordinal};
use couronne_metadata::query::SystemRow;
use couronne_metadata::system::identity::is_followed;
use futures_util::future::try_join_all;

use super::IdentityError;
use crate::engine::{Engine, EngineError};
use cache::{Kept, RowCache};
pub(super) use changes::Basis;
use changes::{Changes, Standing};

/// About what a value in memory takes beside its own bytes.
const VALUE_BYTES: usize = 256;

/// What the memory may hold, and for how long.
#[derive(Clone, Copy)]
pub(super) struct CacheBounds {
    /// How long what was heard of a range counts.
    pub(super) age_max: Duration,
    /// Values in memory.
    pub(super) entries_max: usize,
    /// Their bytes.
    pub(super) bytes_max: usize,
}

/// The rows of identities. Cheap to clone.
#[derive(Clone)]
pub(super) struct IdentityRows {
    engine: Engine,
    cache: Arc<RowCache>,
    changes: Arc<Changes>,
}

/// Rows of one kind by what follows a prefix, and whether more follow.
pub(super) type Scanned = (Vec<(Box<str>, Bytes)>, bool);

impl IdentityRows {
    pub(super) fn new(engine: Engine, bounds: CacheBounds) -> Self {
        let CacheBounds { age_max, entries_max, bytes_max } = bounds;
        let cache = Arc::new(RowCache::new(entries_max, bytes_max));
        Self { engine, cache, changes: Arc::new(Changes::new(age_max)) }
    }

    /// A row and its version, from its range.
    pub(super) async fn get<T: Value>(&self, name: String) -> Result<Option<(T, Ordinal)>, IdentityError> {
        let row = self.engine.router().system_get(&system_key(name)?).await.map_err(EngineError::from)?;
        row.map(|SystemRow { version, value }| Ok((decode(&value)?, version))).transpose()
    }

    /// Writes a row; `false` if it is not what was expected.
    pub(super) async fn put<T: Value>(&self, name: String, expect: Expect, row: &T) -> Result<bool, IdentityError> {
        self.write(name, expect, Some(codec::encode(row))).await
    }

    /// Removes a row; `false` if it is not what was expected.
    pub(super) async fn remove(&self, name: String, expect: Expect) -> Result<bool, IdentityError> {
        self.write(name, expect, None).await
    }

    async fn write(&self, name: String, expect: Expect, value: Option<Bytes>) -> Result<bool, IdentityError> {
        let key = system_key(name)?;
        let written = self.engine.router().system_write(&key, expect, value).await;
        // Whatever became of it: the next request hears of it.
        if is_followed(key.as_bytes()) {
            self.changes.doubt();
        }
        Ok(written.map_err(EngineError::from)?.is_some())
    }

    /// Rows whose names begin with `prefix`, as what follows it and their values, after `after`; and
    /// whether more follow.
    pub(super) async fn scan(&self, prefix: &str, after: &str, limit: u32) -> Result<Scanned, IdentityError> {
        let after = if after.is_empty() { String::new() } else { format!("{prefix}{after}") };
        let scanned = self.engine.router().system_scan(prefix.as_bytes(), after.as_bytes(), limit).await;
        let (rows, more) = scanned.map_err(EngineError::from)?;
        let named = |(key, row): (ObjectKey, SystemRow)| Some((key.as_str().strip_prefix(prefix)?.into(), row.value));
        Ok((rows.into_iter().filter_map(named).collect(), more))
    }

    /// A followed row, perhaps from memory; what that rests on is added to `basis`.
    pub(super) async fn read<T>(&self, name: String, basis: &mut Basis) -> Result<Option<Arc<T>>, IdentityError>
    where
        T: Value + Send + Sync + 'static,
    {
        if let Some((value, found)) = self.find(&name).await? {
            basis.add(&found);
            return Ok(Some(value));
        }
        let (answer, found) = self.ask(&system_key(name.clone())?).await?;
        basis.add(&found);
        let Some(row) = answer.row else { return Ok(None) };
        let value = Arc::new(decode::<T>(&row.value)?);
        self.keep(&name, value.clone(), found, row.value.len());
        Ok(Some(value))
    }

    /// What is in memory under this name, if it counts; asks ranges of which nothing was heard for too long.
    pub(super) async fn find<T: Send + Sync + 'static>(
        &self,
        name: &str,
    ) -> Result<Option<(Arc<T>, Arc<Basis>)>, IdentityError> {
        let Some(kept) = self.cache.get(name) else { return Ok(None) };
        if self.standing(&kept.basis) == Standing::Unheard {
            try_join_all(self.changes.keys_of(&kept.basis).iter().map(|key| self.ask(key))).await?;
        }
        Ok(self.counting(&kept))
    }

    /// As [`IdentityRows::find`], asking nobody: `None` also where somebody has to be asked.
    pub(super) fn recall<T: Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        self.counting(&self.cache.get(name)?).map(|(value, _)| value)
    }

    /// Keeps a value that was made of rows.
    pub(super) fn keep<T: Send + Sync + 'static>(&self, name: &str, value: Arc<T>, basis: Basis, bytes: usize) {
        let kept = Kept { value, basis: Arc::new(basis), bytes: bytes + name.len() + VALUE_BYTES };
        self.cache.keep(name, kept);
    }

    /// Forgets all values: what they were made with has changed.
    pub(super) fn forget_all(&self) {
        self.cache.clear();
    }

    fn counting<T: Send + Sync + 'static>(&self, kept: &Kept) -> Option<(Arc<T>, Arc<Basis>)> {
        match self.standing(&kept.basis) {
            Standing::Current => {}
            Standing::Due => self.ask_beside(&kept.basis),
            Standing::Unheard | Standing::Changed => return None,
        }
        let value: Arc<dyn Any + Send + Sync> = kept.value.clone();
        Some((value.downcast().ok()?, kept.basis.clone()))
    }

    fn standing(&self, basis: &Basis) -> Standing {
        self.changes.standing(basis, self.engine.env().clock.steady())
    }

    /// Asks the ranges of a basis beside the request, each once at a time.
    fn ask_beside(&self, basis: &Basis) {
        for (range, key) in self.changes.begin_asking(basis, self.engine.env().clock.steady()) {
            let rows = self.clone();
            tokio::spawn(async move {
                if let Err(error) = rows.ask(&key).await {
                    tracing::debug!(range = range.0, %error, "a range does not say whether identities changed");
                }
                rows.changes.end_asking(range);
            });
        }
    }

    async fn ask(&self, key: &ObjectKey) -> Result<(IdentityRow, Basis), IdentityError> {
        let asked = self.changes.asked(self.engine.env().clock.steady());
        let answer = self.engine.router().identity_get(key).await.map_err(EngineError::from)?;
        let basis = self.changes.note(&asked, &answer, key);
        Ok((answer, basis))
    }
}

/// A row of a list; `None`, and a warning, if it does not decode.
pub(super) fn listed<T: Value>(kind: &str, name: &str, value: &Bytes) -> Option<T> {
    let decoded = codec::decode(value);
    decoded.inspect_err(|error| tracing::warn!(kind, name, %error, "a row of an identity is left out")).ok()
}

fn decode<T: Value>(bytes: &Bytes) -> Result<T, IdentityError> {
    codec::decode(bytes).map_err(|error| EngineError::Corrupt(format!("identity row: {error}")).into())
}

fn system_key(name: String) -> Result<ObjectKey, IdentityError> {
    ObjectKey::new(name).map_err(|_| IdentityError::Invalid("the name is too long"))
}
