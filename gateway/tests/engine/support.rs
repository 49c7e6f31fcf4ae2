//! What all these tests do: make a bucket, put, get, compare bytes.

use bytes::Bytes;
use couronne_gateway::engine::{
    BodyError, BodySource, Bucket, BytesBody, CreateBucketRequest, Engine, EngineError, Expected, ObjectHandle,
    PutObjectRequest, Written,
};
use couronne_metadata::command::EtagSet;
use couronne_metadata::command::Precondition;
use couronne_metadata::ids::{ObjectKey, VersionId};
use couronne_metadata::record::Versioning;

pub(crate) fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text.to_owned()).unwrap()
}

/// Bytes that differ at every position and for every seed.
pub(crate) fn bytes(seed: u64, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof().fill(&mut bytes);
    bytes.into()
}

pub(crate) fn create(name: &str, account: &str) -> CreateBucketRequest {
    CreateBucketRequest {
        name: name.into(),
        account: account.into(),
        policy: None,
        versioning: Versioning::Off,
        object_lock: None,
        documents: Vec::new(),
    }
}

pub(crate) async fn bucket(engine: &Engine, name: &str) -> Bucket {
    engine.create_bucket(create(name, "alice")).await.unwrap()
}

pub(crate) async fn put(engine: &Engine, bucket: &Bucket, at: &str, bytes: &Bytes) -> Result<Written, EngineError> {
    let staged = engine.stage(bucket, &key(at), &mut BytesBody::new(bytes.clone())).await?;
    engine.put_object(bucket, &staged, PutObjectRequest::default()).await
}

pub(crate) async fn get(engine: &Engine, bucket: &Bucket, at: &str) -> Result<Bytes, EngineError> {
    let handle = engine.open(bucket, &key(at), None).await?;
    read(&handle, 0..handle.record().size).await
}

pub(crate) async fn get_version(
    engine: &Engine,
    bucket: &Bucket,
    at: &str,
    version: VersionId,
) -> Result<Bytes, EngineError> {
    let handle = engine.open(bucket, &key(at), Some(version)).await?;
    read(&handle, 0..handle.record().size).await
}

pub(crate) async fn read(handle: &ObjectHandle, range: std::ops::Range<u64>) -> Result<Bytes, EngineError> {
    let mut reader = handle.read(range).await?;
    let mut all = Vec::new();
    while let Some(bytes) = reader.next().await? {
        assert!(!bytes.is_empty());
        all.extend_from_slice(&bytes);
    }
    assert_eq!(reader.left(), 0);
    Ok(all.into())
}

pub(crate) fn if_absent() -> Precondition {
    Precondition { if_none_match: Some(EtagSet::Any), ..Precondition::default() }
}

/// A body in pieces, that may say what it likes of itself and break off.
#[derive(Default)]
pub(crate) struct Pieces {
    pub(crate) length: Option<u64>,
    pub(crate) expected: Expected,
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) error: Option<BodyError>,
    pub(crate) trailer: Option<Bytes>,
}

impl Pieces {
    /// A body cut in pieces of this size.
    pub(crate) fn cut(bytes: &Bytes, size: usize, length: Option<u64>) -> Self {
        let pieces = bytes.chunks(size.max(1)).map(|piece| bytes.slice_ref(piece)).rev().collect();
        Self { length, pieces, ..Self::default() }
    }
}

#[async_trait::async_trait]
impl BodySource for Pieces {
    fn length(&self) -> Option<u64> {
        self.length
    }

    fn expected(&self) -> Expected {
        self.expected.clone()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        tokio::task::yield_now().await;
        match (self.pieces.pop(), self.error.take()) {
            (Some(piece), error) => {
                self.error = error;
                Ok(Some(piece))
            }
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    fn trailer_checksum(&mut self) -> Option<Bytes> {
        self.trailer.take()
    }
}
