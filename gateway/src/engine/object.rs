//! Objects: commit, open, delete, change in place.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_metadata::command::{AttributeChange, Precondition};
use couronne_metadata::ids::{ObjectKey, Ordinal, PartNumber, VersionId};
use couronne_metadata::record::{Attributes, Checksum, ChecksumAlgorithm, Etag, ObjectRecord, VersionRecord};

use super::{BodyError, BodySource, Bucket, Engine, EngineError, Expected, PartPage, Staged};

/// What an object is to be, beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct PutObject {
    /// Headers, metadata, tags, owner, lock.
    pub attributes: Attributes,
    /// What must hold of the current object.
    pub condition: Precondition,
}

/// An object that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Its place in time; Last-Modified derives from it.
    pub ordinal: Ordinal,
    /// How clients name the version.
    pub version: VersionId,
    /// Its entity tag.
    pub etag: Etag,
    /// Its length in bytes.
    pub size: u64,
    /// The checksum it carries.
    pub checksum: Option<Checksum>,
}

/// A deletion.
#[derive(Clone, Debug, Default)]
pub struct DeleteObject {
    /// The version to remove for good; `None` is the plain deletion.
    pub version: Option<VersionId>,
    /// What must hold of the current object.
    pub condition: Precondition,
    /// Whether governance retention may be overridden.
    pub bypass_governance: bool,
    /// The canonical id of who deletes.
    pub owner: Box<str>,
}

/// What a deletion did. Deleting what is not there is done, with neither.
#[derive(Clone, Debug, PartialEq)]
pub struct Deleted {
    /// What was removed for good.
    pub removed: Option<VersionRecord>,
    /// The delete marker that was added.
    pub marker: Option<VersionId>,
}

/// An object version, opened: its record is here, its bytes are read on demand.
pub struct ObjectHandle {
    engine: Engine,
    bucket: Bucket,
    key: ObjectKey,
    record: Box<ObjectRecord>,
    inline: Option<Bytes>,
}

/// Where one part of an object lies.
#[derive(Clone, Debug, PartialEq)]
pub struct PartSpan {
    /// Its bytes within the object.
    pub range: Range<u64>,
    /// How many parts the object has; `None` if it was not made of parts.
    pub count: Option<u16>,
    /// The part's own checksum.
    pub checksum: Option<Checksum>,
}

/// A stream of an object's bytes, each verified before it is given out.
pub struct BlobReader {
    left: u64,
}

/// A range of an opened object as a body: what a copy reads from.
pub struct HandleBody {
    reader: BlobReader,
    expected: Expected,
}

impl Engine {
    /// Commits a staged body as an object of the bucket and key it was staged for. It may be
    /// acknowledged when this returns `Ok`.
    pub async fn put_object(&self, bucket: &Bucket, staged: &Staged, put: PutObject) -> Result<Written, EngineError> {
        let _ = (bucket, staged, put);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// Opens a version of a key; `None` is the current one. `Refused(NoSuchKey)`,
    /// `Refused(NoSuchVersion)` or `DeleteMarker` if there is no object to read.
    pub async fn open(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<ObjectHandle, EngineError> {
        let _ = (bucket, key, version);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// Deletes an object, or one version for good.
    pub async fn delete(&self, bucket: &Bucket, key: &ObjectKey, delete: DeleteObject) -> Result<Deleted, EngineError> {
        let _ = (bucket, key, delete);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// Changes attributes of an existing version in place; neither tag nor date of the object change.
    pub async fn update_attributes(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
        change: AttributeChange,
        bypass_governance: bool,
    ) -> Result<(), EngineError> {
        let _ = (bucket, key, version, change, bypass_governance);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }
}

impl ObjectHandle {
    /// The object's record.
    pub fn record(&self) -> &ObjectRecord {
        &self.record
    }

    /// The bucket it was opened in.
    pub const fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// The key it was opened by.
    pub const fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Opens a stream of a byte range (`range.end` at most the record's size). The first bytes are read
    /// and verified when this returns, so that an unreadable object is an error and not a broken answer.
    /// `ObjectChanged`: the version was replaced and its bytes are gone; open it again.
    pub async fn read(&self, range: Range<u64>) -> Result<BlobReader, EngineError> {
        let _ = (&self.engine, &self.inline, range);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// As [`ObjectHandle::read`], as a body to stage a copy from; `checksum` is what the copy is to carry.
    pub async fn body(
        &self,
        range: Range<u64>,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<HandleBody, EngineError> {
        let _ = checksum;
        Ok(HandleBody { reader: self.read(range).await?, expected: Expected::default() })
    }

    /// Where part `number` lies. An object that was not made of parts is its own part 1. `None`: no such part.
    pub async fn part(&self, number: PartNumber) -> Result<Option<PartSpan>, EngineError> {
        let _ = number;
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// A page of the object's parts with numbers above `after`; empty if it was not made of parts.
    pub async fn parts(&self, after: u16, limit: u16) -> Result<PartPage, EngineError> {
        let _ = (after, limit);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }
}

impl BlobReader {
    /// The next verified bytes, in order; `None` at the end. After an error the answer cannot be saved:
    /// cut the connection.
    pub async fn next(&mut self) -> Result<Option<Bytes>, EngineError> {
        Ok(None)
    }

    /// How many bytes are still to come.
    pub const fn left(&self) -> u64 {
        self.left
    }
}

#[async_trait]
impl BodySource for HandleBody {
    fn length(&self) -> Option<u64> {
        Some(self.reader.left())
    }

    fn expected(&self) -> Expected {
        self.expected.clone()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.reader.next().await.map_err(|error| BodyError::Source(Box::new(error)))
    }
}
