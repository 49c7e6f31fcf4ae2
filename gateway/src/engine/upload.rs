//! Multipart uploads: create, put parts, list them, complete, abort.

use bytes::Bytes;
use couronne_metadata::command::{CompletedPart, Precondition};
use couronne_metadata::ids::{ObjectKey, Ordinal, PartNumber, UploadId};
use couronne_metadata::record::{
    Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Etag, PartRecord, UploadRecord,
};

use super::{Bucket, Engine, EngineError, Staged, Written};

/// An upload to be opened.
#[derive(Clone, Debug, Default)]
pub struct CreateUpload {
    /// What the object will carry.
    pub attributes: Attributes,
    /// The canonical id of who opens it.
    pub initiator: Box<str>,
    /// The checksum that parts and object are to have.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

/// A part that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenPart {
    /// Its place in time; Last-Modified derives from it.
    pub ordinal: Ordinal,
    /// Its entity tag.
    pub etag: Etag,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

/// A page of parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartPage {
    /// The parts, by number.
    pub parts: Vec<PartRecord>,
    /// More follow: go on after the last number.
    pub truncated: bool,
}

/// A completion.
#[derive(Clone, Debug)]
pub struct CompleteUpload {
    /// The upload.
    pub upload: UploadId,
    /// The parts, ascending.
    pub parts: Vec<CompletedPart>,
    /// The whole object's checksum as the client believes it, for full-object kinds.
    pub checksum: Option<Bytes>,
    /// The whole object's size as the client believes it, in bytes.
    pub size: Option<u64>,
    /// The least size of every part but the last, in bytes.
    pub part_bytes_min: u64,
    /// What must hold of the current object.
    pub condition: Precondition,
}

impl Engine {
    /// Opens an upload.
    pub async fn create_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        create: CreateUpload,
    ) -> Result<UploadId, EngineError> {
        let _ = (bucket, key, create);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// An open upload; `Refused(NoSuchUpload)` if there is none. To be asked before a part's body is received.
    pub async fn upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<UploadRecord, EngineError> {
        let _ = (bucket, key, upload);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// Commits a staged body as a part of an upload of the key it was staged for.
    pub async fn put_part(
        &self,
        bucket: &Bucket,
        staged: &Staged,
        upload: UploadId,
        number: PartNumber,
    ) -> Result<WrittenPart, EngineError> {
        let _ = (bucket, staged, upload, number);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// A page of an open upload's parts with numbers above `after`.
    pub async fn list_parts(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        limit: u16,
    ) -> Result<PartPage, EngineError> {
        let _ = (bucket, key, upload, after, limit);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// Makes the object of an upload's parts. A repeat with the same parts gets the same answer.
    pub async fn complete_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        complete: CompleteUpload,
    ) -> Result<Written, EngineError> {
        let _ = (bucket, key, complete);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }

    /// Drops an upload and its parts.
    pub async fn abort_upload(&self, bucket: &Bucket, key: &ObjectKey, upload: UploadId) -> Result<(), EngineError> {
        let _ = (bucket, key, upload);
        Err(EngineError::Unavailable("not built yet".to_owned()))
    }
}
