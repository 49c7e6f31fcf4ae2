//! The resolve stage: which buckets an operation touches, before and after their names are resolved.
//!
//! Must not know: faces, permissions.

use couronne_metadata::command::SeenVersion;
use couronne_metadata::ids::ObjectKey;

use super::error::Rejection;
use crate::engine::{Bucket, Engine, EngineError};

/// What a bucket is to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketRole {
    /// The one that the request names.
    Target,
    /// The one that a copy reads.
    Source,
}

/// Which buckets an operation touches, by name.
pub trait Resources: Send + Sync + 'static {
    /// The buckets.
    type Resolved: ResolvedResources;

    /// Finds the buckets that the names mean.
    fn resolve(&self, engine: &Engine) -> impl Future<Output = Result<Self::Resolved, Rejection>> + Send;
}

/// Buckets found, under the rules they have.
pub trait ResolvedResources: Clone + Send + Sync + 'static {
    /// Each bucket, with what it is to the operation.
    fn buckets(&self) -> impl Iterator<Item = (&Bucket, BucketRole)> + Send;

    /// The same buckets, of which that of this role is used for what was decided by this version of a key.
    #[must_use]
    fn with_seen(self, role: BucketRole, seen: Option<(ObjectKey, SeenVersion)>) -> Self;

    /// The same buckets under the rules they have by then.
    fn renew(&self, engine: &Engine) -> impl Future<Output = Result<Self, EngineError>> + Send;
}

/// No bucket: the caller's own account.
pub struct NoBucket;

impl Resources for NoBucket {
    type Resolved = ();

    async fn resolve(&self, _: &Engine) -> Result<(), Rejection> {
        Ok(())
    }
}

impl ResolvedResources for () {
    fn buckets(&self) -> impl Iterator<Item = (&Bucket, BucketRole)> + Send {
        std::iter::empty()
    }

    fn with_seen(self, _: BucketRole, _: Option<(ObjectKey, SeenVersion)>) -> Self {}

    async fn renew(&self, _: &Engine) -> Result<(), EngineError> {
        Ok(())
    }
}

/// A bucket that the operation is to create, by name.
#[derive(Clone, Debug)]
pub struct NewBucket(pub Box<str>);

impl Resources for NewBucket {
    type Resolved = Self;

    async fn resolve(&self, _: &Engine) -> Result<Self, Rejection> {
        Ok(self.clone())
    }
}

impl ResolvedResources for NewBucket {
    fn buckets(&self) -> impl Iterator<Item = (&Bucket, BucketRole)> + Send {
        std::iter::empty()
    }

    fn with_seen(self, _: BucketRole, _: Option<(ObjectKey, SeenVersion)>) -> Self {
        self
    }

    async fn renew(&self, _: &Engine) -> Result<Self, EngineError> {
        Ok(self.clone())
    }
}

/// One bucket.
pub struct InBucket {
    /// Its name.
    pub name: Box<str>,
    /// Whether it is looked up as of now: for operations that answer from the registry row alone, since no range would
    /// tell them that what is in memory is old.
    pub as_of_now: bool,
}

impl Resources for InBucket {
    type Resolved = Bucket;

    async fn resolve(&self, engine: &Engine) -> Result<Bucket, Rejection> {
        let name = &*self.name;
        let bucket =
            if self.as_of_now { engine.resolve_bucket_now(name).await } else { engine.resolve_bucket(name).await };
        bucket.map_err(|error| Rejection::Unresolved { bucket: name.into(), error })
    }
}

impl ResolvedResources for Bucket {
    fn buckets(&self) -> impl Iterator<Item = (&Bucket, BucketRole)> + Send {
        std::iter::once((self, BucketRole::Target))
    }

    fn with_seen(self, _: BucketRole, seen: Option<(ObjectKey, SeenVersion)>) -> Self {
        self.decided_by(seen)
    }

    async fn renew(&self, engine: &Engine) -> Result<Self, EngineError> {
        engine.renew_bucket(self).await
    }
}

/// Two buckets, or one twice: a copy reads the source and writes the target.
pub struct CopyBetween {
    /// The name of the bucket that is read.
    pub source: Box<str>,
    /// The name of the bucket that is written.
    pub target: Box<str>,
}

/// The buckets of a copy.
#[derive(Clone, Debug)]
pub struct CopyBuckets {
    /// The bucket that is read.
    pub source: Bucket,
    /// The bucket that is written.
    pub target: Bucket,
}

impl Resources for CopyBetween {
    type Resolved = CopyBuckets;

    async fn resolve(&self, engine: &Engine) -> Result<CopyBuckets, Rejection> {
        let find = async |name: &str| {
            let found = engine.resolve_bucket(name).await;
            found.map_err(|error| Rejection::Unresolved { bucket: name.into(), error })
        };
        let target = find(&self.target).await?;
        let source = if self.source == self.target { target.clone() } else { find(&self.source).await? };
        Ok(CopyBuckets { source, target })
    }
}

impl ResolvedResources for CopyBuckets {
    fn buckets(&self) -> impl Iterator<Item = (&Bucket, BucketRole)> + Send {
        [(&self.target, BucketRole::Target), (&self.source, BucketRole::Source)].into_iter()
    }

    fn with_seen(self, role: BucketRole, seen: Option<(ObjectKey, SeenVersion)>) -> Self {
        match role {
            BucketRole::Target => Self { target: self.target.decided_by(seen), ..self },
            BucketRole::Source => Self { source: self.source.decided_by(seen), ..self },
        }
    }

    async fn renew(&self, engine: &Engine) -> Result<Self, EngineError> {
        let target = engine.renew_bucket(&self.target).await?;
        let same = self.source.entry.id == self.target.entry.id;
        let source = if same { target.clone() } else { engine.renew_bucket(&self.source).await? };
        Ok(Self { source, target })
    }
}
