//! Staging: receiving a body into a durable blob that no row names yet.

use couronne_metadata::command::NewData;
use couronne_metadata::ids::{BucketId, ObjectKey};
use couronne_metadata::record::{Checksum, Etag};

use super::{BodySource, Bucket, Engine, EngineError};

/// A received body: durable in a blob, or small enough to travel in its commit. It belongs to one
/// bucket and key. Dropped before a commit was sent, its blob is abandoned.
pub struct Staged {
    bucket: BucketId,
    key: ObjectKey,
    data: NewData,
    size: u64,
    md5: [u8; 16],
    checksum: Option<Checksum>,
}

impl Staged {
    /// Its length in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Its entity tag: the MD5 of its bytes.
    pub const fn etag(&self) -> Etag {
        Etag { digest: self.md5, parts: None }
    }

    /// The checksum that was asked for, computed over its bytes.
    pub const fn checksum(&self) -> Option<&Checksum> {
        self.checksum.as_ref()
    }

    /// CRC-64/NVME of its bytes.
    pub const fn crc64(&self) -> u64 {
        match &self.data {
            NewData::Inline(_, crc64) => *crc64,
            NewData::Blob(blob, _) => blob.crc64,
        }
    }

    /// The bucket and key it was received for.
    pub const fn owner(&self) -> (BucketId, &ObjectKey) {
        (self.bucket, &self.key)
    }
}

impl Engine {
    /// Receives a body for one key: hashes, cuts, encodes and writes it while it arrives, and checks
    /// what its sender said of it. When this returns `Ok` the bytes are durable and match; nothing is
    /// visible yet.
    pub async fn stage(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        body: &mut dyn BodySource,
    ) -> Result<Staged, EngineError> {
        let _ = (bucket, key, body);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }
}
