//! Buckets: what a name means, as this gateway knows it.
//!
//! One cluster-wide registry row per name decides ([`registry`]); [`create`], [`delete`] and [`rules`]
//! change it and the ranges in idempotent sequences that anyone may take further.
//! Must not know: S3's naming rules, what a principal may do.

mod cache;
mod create;
mod delete;
mod document;
mod owned;
mod quota;
mod registry;
mod rules;
mod tags;

use std::any::Any;
use std::sync::{Arc, OnceLock};

use couronne_base::fair::{Holder, OnBehalf};
use couronne_client::{BucketView, ClassUsage};
use couronne_metadata::command::{Refusal, SeenVersion};
use couronne_metadata::ids::{ObjectKey, Ordinal};
use couronne_metadata::record::{BucketEntry, BucketState, Versioning};
use couronne_metadata::usage::Subject;

use super::{Engine, EngineError};
use bytes::Bytes;
pub(super) use cache::BucketCache;
pub use document::BucketDocument;
pub(super) use quota::BytesFor;

/// How often a sequence begins again because someone else changed the bucket meanwhile.
const TURNS_MAX: u32 = 8;

/// A bucket as resolved from its name, with the rules that requests on it are authorized under.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The name it was resolved by.
    pub name: Arc<str>,
    /// Its registry row: id, account, creation, rules, documents.
    pub entry: Arc<BucketEntry>,
    /// The version of a key that the decision about a request hung on: it is carried out on that one alone.
    seen: Option<Arc<(ObjectKey, SeenVersion)>>,
    /// What was made of this version of the row.
    derived: Arc<OnceLock<Arc<dyn Any + Send + Sync>>>,
}

/// A bucket to be created.
#[derive(Clone, Debug)]
pub struct CreateBucketRequest {
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
    /// Its first documents.
    pub documents: Vec<(BucketDocument, Bytes)>,
}

/// Which buckets of an account to list.
#[derive(Clone, Debug)]
pub struct ListBucketsRequest {
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

impl Bucket {
    fn new(name: &str, entry: BucketEntry) -> Self {
        Self { name: name.into(), entry: Arc::new(entry), seen: None, derived: Arc::default() }
    }

    /// What a higher layer makes of this version of the registry row: made once, and shared by all clones. There is one
    /// such type in a process; of another it is made each time.
    pub fn derived<T: Send + Sync + 'static>(&self, make: impl Fn(&Self) -> T) -> Arc<T> {
        let made = self.derived.get_or_init(|| Arc::new(make(self))).clone();
        made.downcast().unwrap_or_else(|_| Arc::new(make(self)))
    }

    /// The bucket for a request that was decided by this version of a key: whatever else the key has by the time it is
    /// carried out, verbs answer `StaleRules`.
    #[must_use]
    pub fn decided_by(&self, seen: Option<(ObjectKey, SeenVersion)>) -> Self {
        Self { seen: seen.map(Arc::new), ..self.clone() }
    }

    /// The version that a request on this key was decided by.
    pub(super) fn seen_of(&self, key: &ObjectKey) -> Option<SeenVersion> {
        self.seen.as_deref().filter(|(of, _)| of == key).map(|(_, seen)| *seen)
    }

    pub(super) fn view(&self) -> BucketView {
        BucketView { id: self.entry.id, rules_version: self.entry.rules.version, seen: None }
    }

    /// The holder of the shares that this task takes: the bucket's account, within it the bucket, and within that the
    /// caller.
    pub(crate) fn holder(&self) -> Holder {
        OnBehalf::of_task().holder([&*self.entry.account, &*self.name])
    }
}

impl Engine {
    /// The live bucket that a name means, perhaps from memory. `Refused(NoSuchBucket)` if there is none.
    pub async fn resolve_bucket(&self, name: &str) -> Result<Bucket, EngineError> {
        match self.shared.buckets.find(name, self.env().clock.steady()) {
            Some(bucket) => Ok(bucket),
            None => self.resolve_bucket_now(name).await,
        }
    }

    /// As [`Engine::resolve_bucket`], as of now: for what is answered from the registry row alone
    /// (HeadBucket, the bucket's configurations).
    pub async fn resolve_bucket_now(&self, name: &str) -> Result<Bucket, EngineError> {
        for _ in 0..TURNS_MAX {
            let Some(found) = self.registered(name).await? else {
                self.shared.buckets.forget(name);
                return Err(Refusal::NoSuchBucket.into());
            };
            if found.entry.rules.state == BucketState::Live {
                return Ok(self.remember(name, found.entry));
            }
            self.resume(name, found).await?;
        }
        Err(EngineError::BucketBusy)
    }

    /// After `StaleRules`: the bucket as it is now. If its rules are not in all its ranges yet, they are
    /// when this returns.
    pub async fn renew_bucket(&self, stale: &Bucket) -> Result<Bucket, EngineError> {
        let bucket = self.resolve_bucket_now(&stale.name).await?;
        if bucket.entry.id == stale.entry.id && bucket.entry.rules.version == stale.entry.rules.version {
            self.install(&stale.name, &bucket.entry).await?;
        }
        Ok(bucket)
    }

    /// An account's buckets, by name.
    pub async fn list_buckets(&self, list: ListBucketsRequest) -> Result<BucketPage, EngineError> {
        let (buckets, truncated) = self.owned(&list).await?;
        Ok(BucketPage { buckets, truncated })
    }

    /// What a subject holds by storage class, summed over all ranges that may have counted for it.
    pub async fn usage(&self, subject: &Subject) -> Result<ClassUsage, EngineError> {
        Ok(self.router().usage(subject).await?)
    }

    fn remember(&self, name: &str, entry: BucketEntry) -> Bucket {
        let bucket = Bucket::new(name, entry);
        self.shared.buckets.remember(bucket.clone(), self.env().clock.steady());
        bucket
    }
}
