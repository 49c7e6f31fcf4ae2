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
//! Must not know: HTTP, XML, signatures, who may do what.

mod body;
mod bucket;
mod error;
mod list;
mod object;
mod settings;
mod stage;
mod upload;

use std::sync::Arc;

use couronne_protocol::env::Env;
use couronne_protocol::map::MapSource;
use couronne_protocol::range::RangeClient;
use couronne_protocol::shard::ShardClient;

pub use body::{BodyError, BodySource, BytesBody, Expected, ExpectedChecksum};
pub use bucket::{Bucket, BucketPage, CreateBucket, ListBuckets, ListedBucket};
pub use error::{DigestKind, EngineError};
pub use object::{BlobReader, DeleteObject, Deleted, HandleBody, ObjectHandle, PartSpan, PutObject, Written};
pub use settings::Settings;
pub use stage::Staged;
pub use upload::{CompleteUpload, CreateUpload, PartPage, WrittenPart};

/// What the engine works with; passed in, so that tests pass in twins.
#[derive(Clone)]
pub struct Components {
    /// The drives.
    pub shards: Arc<dyn ShardClient>,
    /// The metadata ranges.
    pub ranges: Arc<dyn RangeClient>,
    /// The cluster map.
    pub map: Arc<dyn MapSource>,
    /// Time and chance.
    pub env: Env,
}

/// The verbs. Cheap to clone: clones share everything.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    components: Components,
    settings: Settings,
}

impl Engine {
    /// Makes an engine. Must be called and used within a Tokio runtime.
    pub fn new(components: Components, settings: Settings) -> Self {
        Self { shared: Arc::new(Shared { components, settings }) }
    }
}
