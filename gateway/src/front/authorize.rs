//! The resolve and authorize stages, and the proof they leave: [`Authorized`].
//!
//! Promises: nobody outside this file can make an [`Authorized`]; it names the very buckets that were
//! checked, with the rules they were checked under, and an operation on two buckets carries both.
//! The decision is taken before any key is looked up, so a denied answer is the same whether the key
//! exists or not.
//! Must not know: single operations, signatures.
//!
//! The rule of today: a bucket serves the users of the account that owns it, and nobody else.

use std::sync::Arc;

use crate::engine::{Bucket, Engine};
use crate::identity::Credential;
use crate::pipeline::S3Operation;
use crate::request::{BucketName, Request};
use crate::s3::error::{Code, Result, S3Error};

/// How often a request is resolved and authorized again because a bucket's rules keep changing.
pub const RENEWALS_MAX: u32 = 4;

/// Which buckets an operation touches, before and after their names are resolved.
pub trait Resources: Send + Sync + 'static {
    /// The buckets.
    type Resolved: ResolvedResources;

    /// Finds the buckets that the names mean.
    fn resolve(&self, engine: &Engine) -> impl Future<Output = Result<Self::Resolved>> + Send;
}

/// Buckets found, under the rules they have now.
pub trait ResolvedResources: Clone + Send + Sync + 'static {
    /// Each bucket, with the header by which a client may say whom it believes the owner to be.
    fn buckets(&self) -> Vec<(&Bucket, &'static str)>;

    /// The same buckets under the rules they have by now.
    fn renew(&self, engine: &Engine) -> impl Future<Output = Result<Self>> + Send;
}

const EXPECTED_OWNER: &str = "x-amz-expected-bucket-owner";
const EXPECTED_SOURCE_OWNER: &str = "x-amz-source-expected-bucket-owner";

/// No bucket: the caller's own account.
pub struct Service;

impl Resources for Service {
    type Resolved = ();

    async fn resolve(&self, _: &Engine) -> Result<()> {
        Ok(())
    }
}

impl ResolvedResources for () {
    fn buckets(&self) -> Vec<(&Bucket, &'static str)> {
        Vec::new()
    }

    async fn renew(&self, _: &Engine) -> Result<()> {
        Ok(())
    }
}

/// A bucket that the operation is to create.
pub struct NewBucket(pub BucketName);

impl NewBucket {
    /// The bucket that the request names.
    pub fn of(request: &Request) -> Result<Self> {
        request.need_bucket().cloned().map(Self)
    }
}

impl Resources for NewBucket {
    type Resolved = BucketName;

    async fn resolve(&self, _: &Engine) -> Result<BucketName> {
        Ok(self.0.clone())
    }
}

impl ResolvedResources for BucketName {
    fn buckets(&self) -> Vec<(&Bucket, &'static str)> {
        Vec::new()
    }

    async fn renew(&self, _: &Engine) -> Result<Self> {
        Ok(self.clone())
    }
}

/// One bucket.
pub struct InBucket {
    name: BucketName,
    now: bool,
}

impl InBucket {
    /// The bucket that the request names.
    pub fn of(request: &Request) -> Result<Self> {
        Ok(Self { name: request.need_bucket()?.clone(), now: false })
    }

    /// The same, for operations that answer from the registry row alone: no range would tell them that
    /// what is in memory is old.
    pub fn as_of_now(request: &Request) -> Result<Self> {
        Ok(Self { now: true, ..Self::of(request)? })
    }
}

impl Resources for InBucket {
    type Resolved = Bucket;

    async fn resolve(&self, engine: &Engine) -> Result<Bucket> {
        let name = self.name.as_str();
        let bucket = if self.now { engine.resolve_bucket_now(name).await } else { engine.resolve_bucket(name).await };
        bucket.map_err(|error| S3Error::from(error).detail("BucketName", name))
    }
}

impl ResolvedResources for Bucket {
    fn buckets(&self) -> Vec<(&Bucket, &'static str)> {
        vec![(self, EXPECTED_OWNER)]
    }

    async fn renew(&self, engine: &Engine) -> Result<Self> {
        Ok(engine.renew_bucket(self).await?)
    }
}

/// Two buckets, or one twice: a copy reads the source and writes the target.
pub struct CopyBetween {
    /// The bucket that is read.
    pub source: BucketName,
    /// The bucket that is written.
    pub target: BucketName,
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

    async fn resolve(&self, engine: &Engine) -> Result<CopyBuckets> {
        let find = async |name: &BucketName| {
            let found = engine.resolve_bucket(name.as_str()).await;
            found.map_err(|error| S3Error::from(error).detail("BucketName", name.as_str()))
        };
        let target = find(&self.target).await?;
        let source = if self.source == self.target { target.clone() } else { find(&self.source).await? };
        Ok(CopyBuckets { source, target })
    }
}

impl ResolvedResources for CopyBuckets {
    fn buckets(&self) -> Vec<(&Bucket, &'static str)> {
        vec![(&self.target, EXPECTED_OWNER), (&self.source, EXPECTED_SOURCE_OWNER)]
    }

    async fn renew(&self, engine: &Engine) -> Result<Self> {
        let target = engine.renew_bucket(&self.target).await?;
        let same = self.source.entry.id == self.target.entry.id;
        let source = if same { target.clone() } else { engine.renew_bucket(&self.source).await? };
        Ok(Self { source, target })
    }
}

/// An operation that its caller may carry out on these buckets, under the rules they have.
pub struct Authorized<O: S3Operation> {
    operation: Arc<O>,
    request: Arc<Request>,
    caller: Arc<Credential>,
    resources: <O::Resources as Resources>::Resolved,
    renewals_left: u32,
}

impl<O: S3Operation> Authorized<O> {
    /// The operation's parameters.
    pub fn operation(&self) -> &O {
        &self.operation
    }

    /// The request's head.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Who asks.
    pub fn caller(&self) -> &Credential {
        &self.caller
    }

    /// The buckets that were checked: the only ones to be touched.
    pub const fn resources(&self) -> &<O::Resources as Resources>::Resolved {
        &self.resources
    }

    /// After `StaleRules`: takes the buckets as they are now and decides again. Gives up after a few times.
    pub async fn renew(&mut self, engine: &Engine) -> Result<()> {
        self.renewals_left = self.renewals_left.checked_sub(1).ok_or(Code::ServiceUnavailable)?;
        let resources = self.resources.renew(engine).await?;
        decide(&self.request, &self.caller, &resources)?;
        self.resources = resources;
        Ok(())
    }
}

/// The authorize stage.
pub fn authorize<O: S3Operation>(
    operation: &Arc<O>,
    request: &Arc<Request>,
    caller: &Arc<Credential>,
    resources: &<O::Resources as Resources>::Resolved,
) -> Result<Authorized<O>> {
    decide(request, caller, resources)?;
    Ok(Authorized {
        operation: operation.clone(),
        request: request.clone(),
        caller: caller.clone(),
        resources: resources.clone(),
        renewals_left: RENEWALS_MAX,
    })
}

fn decide(request: &Request, caller: &Credential, resources: &impl ResolvedResources) -> Result<()> {
    for (bucket, expected_owner) in resources.buckets() {
        if bucket.entry.account != caller.account {
            return Err(Code::AccessDenied.into());
        }
        match request.header(expected_owner)? {
            Some(expected) if expected != &*bucket.entry.account => return Err(Code::AccessDenied.into()),
            _ => {}
        }
    }
    Ok(())
}
