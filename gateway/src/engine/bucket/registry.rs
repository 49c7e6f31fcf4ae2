//! The registry, as a gateway reads and changes it: the rows of `couronne_metadata::evaluate::registry`.
//!
//! Promises: it is changed by compare-and-swap alone.
//! Must not know: how an account's buckets are listed.

use couronne_base::codec;
use couronne_metadata::command::Expect;
use couronne_metadata::evaluate::registry::key_of;
use couronne_metadata::ids::{KeyError, ObjectKey, Ordinal};
use couronne_metadata::record::BucketEntry;

use super::{Engine, EngineError};

/// A registry row as read.
pub(super) struct Registered {
    pub(super) entry: BucketEntry,
    /// The row's version, for compare-and-swap.
    pub(super) version: Ordinal,
}

impl Engine {
    /// The registry row of a name.
    pub(super) async fn registered(&self, name: &str) -> Result<Option<Registered>, EngineError> {
        let Ok(key) = key_of(name) else { return Ok(None) };
        let Some(row) = self.router().system_get(&key).await? else { return Ok(None) };
        let entry =
            codec::decode(&row.value).map_err(|error| EngineError::Corrupt(format!("registry row: {error}")))?;
        Ok(Some(Registered { entry, version: row.version }))
    }

    /// Changes the registry row of a name, if it is what was expected; returns its new version.
    pub(super) async fn register(
        &self,
        name: &str,
        expect: Expect,
        entry: Option<&BucketEntry>,
    ) -> Result<Option<Ordinal>, EngineError> {
        let value = entry.map(codec::encode);
        let written = self.router().system_write(&key_of(name).map_err(no_key)?, expect, value).await;
        self.shared.buckets.forget(name);
        Ok(written?)
    }
}

pub(super) fn system_key(text: String) -> Result<ObjectKey, EngineError> {
    ObjectKey::new(text).map_err(no_key)
}

fn no_key(error: KeyError) -> EngineError {
    EngineError::Corrupt(format!("system row: {error}"))
}
