//! Multipart uploads: create, put parts, list them, complete, abort.

use bytes::Bytes;
use couronne_metadata::command::{Command, CompletedPart, Outcome, Precondition, Refusal};
use couronne_metadata::ids::{ObjectKey, Ordinal, PartNumber, UploadId};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::{
    Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Etag, PartRecord, UploadRecord,
};

use super::{Bucket, Engine, EngineError, Staged, Written};

/// An upload to be opened.
#[derive(Clone, Debug, Default)]
pub struct CreateUpload {
    /// What the object will carry.
    pub attributes: Attributes,
    /// The canonical id of the account that opens it.
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
        let env = self.env();
        let upload = UploadId::new(env.clock.wall_ms(), env.random_bytes());
        let CreateUpload { attributes, initiator, checksum } = create;
        let command = Command::CreateUpload { upload, attributes, initiator, checksum };
        self.execute(bucket, key, command).await.map(|_| upload)
    }

    /// An open upload; `Refused(NoSuchUpload)` if there is none. To be asked before a part's body is received.
    pub async fn upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<UploadRecord, EngineError> {
        match self.query(bucket, key, Query::Upload { key: key.clone(), upload }).await? {
            Answer::Upload(Some(record)) => Ok(record),
            Answer::Upload(None) => Err(Refusal::NoSuchUpload.into()),
            _ => Err(EngineError::unexpected("Upload")),
        }
    }

    /// Commits a staged body as a part of an upload of the key it was staged for.
    pub async fn put_part(
        &self,
        bucket: &Bucket,
        staged: &Staged,
        upload: UploadId,
        number: PartNumber,
    ) -> Result<WrittenPart, EngineError> {
        let (size, etag, checksum) = (staged.size(), staged.etag(), staged.checksum().cloned());
        let data = staged.data().clone();
        let command = Command::PutPart { upload, number, data, size, etag, checksum: checksum.clone() };
        // Which outcome tells of a part is the range's choice; both carry its place in time.
        match self.commit(bucket, staged, command).await? {
            Outcome::Done { ordinal } | Outcome::Put { ordinal, .. } => Ok(WrittenPart { ordinal, etag, checksum }),
            _ => Err(EngineError::unexpected("PutPart")),
        }
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
        match self.query(bucket, key, Query::Parts { key: key.clone(), upload, after, limit }).await? {
            Answer::Parts(Some((parts, truncated))) => Ok(PartPage { parts, truncated }),
            Answer::Parts(None) => Err(Refusal::NoSuchUpload.into()),
            _ => Err(EngineError::unexpected("Parts")),
        }
    }

    /// Makes the object of an upload's parts. A repeat with the same parts gets the same answer.
    pub async fn complete_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        complete: CompleteUpload,
    ) -> Result<Written, EngineError> {
        let CompleteUpload { upload, parts, checksum, size, part_bytes_min, condition } = complete;
        let command = Command::CompleteUpload { upload, parts, checksum, size, part_bytes_min, condition };
        match self.execute(bucket, key, command).await? {
            Outcome::Completed { ordinal, version, etag, size, checksum } => {
                Ok(Written { ordinal, version, etag, size, checksum })
            }
            _ => Err(EngineError::unexpected("CompleteUpload")),
        }
    }

    /// Drops an upload and its parts.
    pub async fn abort_upload(&self, bucket: &Bucket, key: &ObjectKey, upload: UploadId) -> Result<(), EngineError> {
        self.execute(bucket, key, Command::AbortUpload { upload }).await.map(|_| ())
    }
}
