//! The engine: the verbs that both faces share (put, get, list, ...), over ranges and drives.
//!
//! How a face uses it: resolve the bucket's name ([`Engine::resolve_bucket`]), authorize, then call
//! verbs with the [`Bucket`]. A verb that answers [`EngineError::StaleRules`] changed nothing: renew
//! the bucket, authorize again, repeat. A write comes in two steps, so that a body is received only
//! once: [`Engine::stage`] makes its bytes durable and checks its digests, then
//! [`Engine::put_object`] or [`Engine::put_part`] commits (and may be repeated with the same
//! [`Staged`]). The commit is the only point from which a write exists; it may be acknowledged when
//! that verb has returned `Ok`.
//!
//! Promises: what was acknowledged is durable and visible; bytes given out were verified; memory is
//! bounded; a gateway killed at any moment leaves nothing that needs cleaning by hand.
//! Must not know: HTTP, XML, signatures, what a principal may do.

mod abandon;
mod body;
mod bucket;
mod error;
mod hash;
mod list;
mod object;
mod open;
mod read;
mod settings;
mod stage;
mod upload;

use std::sync::Arc;

use couronne_base::env::Env;
pub use couronne_client::Components;
use couronne_client::{BucketView, Client, ClientError, Router};
use couronne_metadata::command::{Command, Outcome, Refusal};
use couronne_metadata::ids::ObjectKey;
use couronne_metadata::query::{Answer, Query};

use bucket::BucketCache;

pub use body::{BodyError, BodySource, BytesBody, Expected, ExpectedChecksum};
pub use bucket::{Bucket, BucketDocument, BucketPage, CreateBucketRequest, ListBucketsRequest, ListedBucket};
pub use error::{DigestKind, EngineError};
pub(crate) use hash::BodyHashes;
pub use object::{DeleteObjectRequest, Deleted, PutObjectRequest, Written};
pub use open::{HandleBody, ObjectHandle, PartSpan};
pub use read::BlobReader;
pub use settings::Settings;
pub use stage::Staged;
pub use upload::{CompleteUpload, CreateUpload, PartPage, WrittenPart};

/// The verbs. Cheap to clone: clones share everything.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// What all verbs share.
struct Shared {
    client: Client,
    /// Chunks of one request that may be in flight to the drives.
    chunks_in_flight_max: usize,
    buckets: BucketCache,
}

impl Engine {
    /// Makes an engine. Must be called and used within a Tokio runtime.
    pub fn new(components: Components, settings: Settings) -> Self {
        let Settings { client, chunks_in_flight_max, bucket_cache_ms, bucket_cache_entries_max } = settings;
        let shared = Shared {
            client: Client::new(components, client),
            chunks_in_flight_max,
            buckets: BucketCache::new(bucket_cache_ms, bucket_cache_entries_max),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The way to ranges, for what else is kept in system rows.
    pub(crate) fn router(&self) -> &Router {
        self.shared.client.router()
    }

    /// The cluster's own random identity.
    pub(crate) fn cluster(&self) -> u128 {
        self.shared.client.map().current().cluster
    }

    /// Time and randomness.
    pub(crate) fn env(&self) -> &Env {
        self.shared.client.env()
    }

    async fn execute(&self, bucket: &Bucket, key: &ObjectKey, command: Command) -> Result<Outcome, EngineError> {
        let view = BucketView { seen: bucket.seen_of(key), ..bucket.view() };
        let outcome = self.router().execute(view, key, command).await;
        outcome.map_err(|error| self.stale_if_gone(bucket, error))
    }

    async fn query(&self, bucket: &Bucket, key: &ObjectKey, query: Query) -> Result<Answer, EngineError> {
        let answer = self.router().query(bucket.view(), key, query).await;
        answer.map(|(answer, _)| answer).map_err(|error| self.stale_if_gone(bucket, error))
    }

    /// A range that does not hold the bucket means that its name is to be resolved again: the bucket
    /// was deleted, or its rules are not everywhere yet.
    fn stale_if_gone(&self, bucket: &Bucket, error: ClientError) -> EngineError {
        match error {
            ClientError::Refused(Refusal::NoSuchBucket) | ClientError::StaleRules => {
                self.shared.buckets.forget(&bucket.name);
                EngineError::StaleRules
            }
            error => error.into(),
        }
    }
}
