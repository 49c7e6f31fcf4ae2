//! The registry, as a gateway reads and changes it: the rows of `couronne_metadata::evaluate::registry`.
//!
//! Promises: it is changed by compare-and-swap alone.
//! Must not know: how an account's buckets are listed.

use bytes::Bytes;
use couronne_base::codec;
use couronne_client::next_key;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::Expect;
use couronne_metadata::evaluate::registry;
use couronne_metadata::ids::{BucketId, ObjectKey, Ordinal};
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
        let Ok(key) = registry_key(name) else { return Ok(None) };
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
        let written = self.router().system_write(&registry_key(name)?, expect, value).await;
        self.shared.buckets.forget(name);
        Ok(written?)
    }
}

fn registry_key(name: &str) -> Result<ObjectKey, EngineError> {
    system_key(format!("{}{name}", registry::PREFIX))
}

pub(super) fn system_key(text: String) -> Result<ObjectKey, EngineError> {
    ObjectKey::new(text).map_err(|error| EngineError::Corrupt(format!("system row: {error}")))
}

/// The first key that a range of a bucket may own: its first position, or the least key there is.
pub(super) fn first_key(start: Option<Bytes>) -> Result<ObjectKey, EngineError> {
    let start = start.unwrap_or(Bytes::from_static(b"\0"));
    ObjectKey::new(start).map_err(|error| EngineError::Corrupt(format!("a range is cut at no key: {error}")))
}

/// A key of the range after this one, if the bucket goes on there.
pub(super) fn key_past(range: &RangeDescriptor, bucket: BucketId) -> Result<Option<ObjectKey>, EngineError> {
    next_key(range, bucket).map(|next| first_key(Some(next))).transpose()
}
