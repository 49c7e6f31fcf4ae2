//! An object that is locked, and the attempt to delete it.
//!
//! Must not know: clocks.

use couronne_gateway::engine::{
    Bucket, BytesBody, CreateBucketRequest, DeleteObjectRequest, Engine, EngineError, PutObjectRequest,
};
use couronne_metadata::ids::{ObjectKey, VersionId};
use couronne_metadata::record::{Attributes, Retention, Versioning};

/// The bucket of what is locked, and its key.
const BUCKET: &str = "locked";
const KEY: &str = "locked";

/// Writes an object that nobody may delete until then, in milliseconds since 1970; its version.
pub async fn lock(engine: &Engine, until_ms: u64) -> Option<VersionId> {
    let create = CreateBucketRequest {
        name: BUCKET.into(),
        account: "account".into(),
        policy: None,
        versioning: Versioning::Enabled,
        object_lock: Some(None),
        documents: Vec::new(),
    };
    match engine.create_bucket(create).await {
        Ok(_) | Err(EngineError::BucketAlreadyOwnedByYou) => {}
        Err(_) => return None,
    }
    let (bucket, key) = locked(engine).await.ok()?;
    let staged = engine.stage(&bucket, &key, &mut BytesBody::new(&b"locked"[..])).await.ok()?;
    let retention = Some(Retention { compliance: true, until_ms });
    let attributes = Attributes { retention, ..Attributes::default() };
    let put = PutObjectRequest { attributes, ..PutObjectRequest::default() };
    Some(engine.put_object(&bucket, &staged, put).await.ok()?.version)
}

/// Tries to delete a version for good.
pub async fn delete(engine: &Engine, version: VersionId) -> Result<(), EngineError> {
    let (bucket, key) = locked(engine).await?;
    let delete =
        DeleteObjectRequest { version: Some(version), bypass_governance: true, ..DeleteObjectRequest::default() };
    engine.delete(&bucket, &key, delete).await.map(drop)
}

async fn locked(engine: &Engine) -> Result<(Bucket, ObjectKey), EngineError> {
    let bucket = engine.resolve_bucket(BUCKET).await?;
    let key = ObjectKey::new(KEY).map_err(|_| EngineError::Corrupt("key".to_owned()))?;
    Ok((bucket, key))
}
