//! The registry: one row per bucket name, and one per account and bucket for listing them.
//!
//! ```text
//! bucket/<name>             BucketEntry                   decides what the name means
//! owned/<account>/<name>    version (1) ‖ created (8)     written before the bucket is live,
//!                                                         removed once its deletion is decided
//! ```

use bytes::Bytes;
use couronne_base::codec;
use couronne_client::next_key;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::Expect;
use couronne_metadata::ids::{BucketId, ObjectKey, Ordinal};
use couronne_metadata::record::BucketEntry;

use super::{Engine, EngineError, ListBucketsRequest, ListedBucket};

const OWNED_VERSION: u8 = 1;

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

    pub(super) async fn write_owned(&self, name: &str, entry: &BucketEntry) -> Result<(), EngineError> {
        let value = [&[OWNED_VERSION][..], &entry.created.0.to_be_bytes()].concat();
        let key = owned_key(&entry.account, name)?;
        self.router().system_write(&key, Expect::Any, Some(value.into())).await?;
        Ok(())
    }

    pub(super) async fn remove_owned(&self, name: &str, entry: &BucketEntry) -> Result<(), EngineError> {
        let key = owned_key(&entry.account, name)?;
        self.router().system_write(&key, Expect::Any, None).await?;
        Ok(())
    }

    /// A page of an account's buckets, and whether more follow.
    pub(super) async fn owned(&self, list: &ListBucketsRequest) -> Result<(Vec<ListedBucket>, bool), EngineError> {
        let account = format!("owned/{}/", list.account);
        let prefix = format!("{account}{}", list.prefix);
        let after = if list.after.is_empty() { String::new() } else { format!("{account}{}", list.after) };
        let (rows, more) = self.router().system_scan(prefix.as_bytes(), after.as_bytes(), list.limit).await?;
        let listed = |(key, row): (ObjectKey, couronne_metadata::query::SystemRow)| {
            let name = key.as_str().strip_prefix(&account)?;
            let (version, created) = row.value.split_first()?;
            let created = u64::from_be_bytes(created.try_into().ok()?);
            (*version == OWNED_VERSION).then(|| ListedBucket { name: name.into(), created: Ordinal(created) })
        };
        let buckets: Option<Vec<ListedBucket>> = rows.into_iter().map(listed).collect();
        let buckets = buckets.ok_or_else(|| EngineError::Corrupt("a row of an account's buckets".to_owned()))?;
        Ok((buckets, more))
    }
}

fn registry_key(name: &str) -> Result<ObjectKey, EngineError> {
    system_key(format!("bucket/{name}"))
}

fn owned_key(account: &str, name: &str) -> Result<ObjectKey, EngineError> {
    system_key(format!("owned/{account}/{name}"))
}

fn system_key(text: String) -> Result<ObjectKey, EngineError> {
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
