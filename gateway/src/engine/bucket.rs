//! Buckets: names, birth, death, rules.

use std::sync::Arc;

use couronne_metadata::ids::Ordinal;
use couronne_metadata::record::{BucketEntry, BucketRules, Usage, Versioning};

use super::{Engine, EngineError};

/// A bucket as resolved from its name, with the rules that requests on it are authorized under.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The name it was resolved by.
    pub name: Arc<str>,
    /// Its registry row: id, account, creation, rules.
    pub entry: Arc<BucketEntry>,
}

/// A bucket to be created.
#[derive(Clone, Debug)]
pub struct CreateBucket {
    /// Its name; the face has checked its form.
    pub name: Box<str>,
    /// The account that is to own it.
    pub account: Box<str>,
    /// The storage policy's name; `None` for the cluster's default.
    pub policy: Option<Box<str>>,
    /// Whether versions are kept from the start.
    pub versioning: Versioning,
    /// Whether object lock is on, and the default retention: (compliance, milliseconds).
    pub object_lock: Option<Option<(bool, u64)>>,
    /// Further configuration by field number, kept as it is.
    pub extra: Vec<(u16, bytes::Bytes)>,
}

/// Which buckets of an account to list.
#[derive(Clone, Debug)]
pub struct ListBuckets {
    /// The account.
    pub account: Box<str>,
    /// Names begin with this; may be empty.
    pub prefix: Box<str>,
    /// Names strictly after this; may be empty.
    pub after: Box<str>,
    /// At most so many.
    pub limit: u32,
}

/// A bucket in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBucket {
    /// Its name.
    pub name: Box<str>,
    /// When it was created; microseconds since 1970.
    pub created: Ordinal,
}

/// A page of buckets, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketPage {
    /// The buckets.
    pub buckets: Vec<ListedBucket>,
    /// More follow: go on after the last name.
    pub truncated: bool,
}

impl Engine {
    /// The live bucket that a name means, perhaps from memory. `Refused(NoSuchBucket)` if there is none.
    pub async fn resolve_bucket(&self, name: &str) -> Result<Bucket, EngineError> {
        let _ = name;
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// As [`Engine::resolve_bucket`], as of now: for what is answered from the registry row alone
    /// (HeadBucket, the bucket's configurations).
    pub async fn resolve_bucket_now(&self, name: &str) -> Result<Bucket, EngineError> {
        self.resolve_bucket(name).await
    }

    /// After `StaleRules`: the bucket as it is now. If its rules are not in all its ranges yet, they are
    /// when this returns.
    pub async fn renew_bucket(&self, stale: &Bucket) -> Result<Bucket, EngineError> {
        self.resolve_bucket(&stale.name).await
    }

    /// Creates a bucket. `BucketAlreadyOwnedByYou` or `BucketAlreadyExists` if the name is taken.
    pub async fn create_bucket(&self, create: CreateBucket) -> Result<Bucket, EngineError> {
        self.resolve_bucket(&create.name).await
    }

    /// Deletes a bucket; `Refused(BucketNotEmpty)` while it holds versions or open uploads.
    pub async fn delete_bucket(&self, bucket: &Bucket) -> Result<(), EngineError> {
        self.resolve_bucket(&bucket.name).await.map(|_| ())
    }

    /// Changes the bucket's rules: `edit` is given the rules as they are now and returns the new ones
    /// (their `version` is set here). Returns when every range of the bucket has them.
    pub async fn update_rules<F>(&self, bucket: &Bucket, edit: F) -> Result<Bucket, EngineError>
    where
        F: Fn(&BucketRules) -> Result<BucketRules, EngineError> + Send + Sync,
    {
        let _ = edit(&bucket.entry.rules)?;
        self.resolve_bucket(&bucket.name).await
    }

    /// An account's buckets, by name.
    pub async fn list_buckets(&self, list: ListBuckets) -> Result<BucketPage, EngineError> {
        self.resolve_bucket(&list.prefix).await.map(|_| BucketPage { buckets: Vec::new(), truncated: false })
    }

    /// What the bucket holds, exactly, summed over its ranges.
    pub async fn usage(&self, bucket: &Bucket) -> Result<Usage, EngineError> {
        self.resolve_bucket(&bucket.name).await.map(|_| Usage::default())
    }
}
