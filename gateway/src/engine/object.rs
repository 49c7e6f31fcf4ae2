//! Objects: commit, delete, change in place. (Opening and reading them: [`super::open`].)

use couronne_metadata::command::{AttributeChange, Command, Outcome, Precondition, Refusal};
use couronne_metadata::ids::{ObjectKey, Ordinal, VersionId};
use couronne_metadata::record::{Attributes, Checksum, Etag, VersionRecord};

use super::{Bucket, Engine, EngineError, Staged};

/// What an object is to be, beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct PutObjectRequest {
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
pub struct DeleteObjectRequest {
    /// The version to remove for good; `None` is the plain deletion.
    pub version: Option<VersionId>,
    /// What must hold of the current object.
    pub condition: Precondition,
    /// Whether governance retention may be overridden.
    pub bypass_governance: bool,
    /// The canonical id of the account that deletes.
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

impl Engine {
    /// Commits a staged body as an object of the bucket and key it was staged for. It may be
    /// acknowledged when this returns `Ok`.
    pub async fn put_object(
        &self,
        bucket: &Bucket,
        staged: &Staged,
        put: PutObjectRequest,
    ) -> Result<Written, EngineError> {
        let (size, etag, checksum) = (staged.size(), staged.etag(), staged.checksum().cloned());
        let command = Command::Put {
            data: staged.data().clone(),
            size,
            etag,
            checksum: checksum.clone(),
            attributes: put.attributes,
            condition: put.condition,
        };
        match self.commit(bucket, staged, command).await? {
            Outcome::Put { ordinal, version } => Ok(Written { ordinal, version, etag, size, checksum }),
            _ => Err(EngineError::unexpected("Put")),
        }
    }

    /// Deletes an object, or one version for good.
    pub async fn delete(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        delete: DeleteObjectRequest,
    ) -> Result<Deleted, EngineError> {
        let DeleteObjectRequest { version, condition, bypass_governance, owner } = delete;
        let command = Command::Delete { version, condition, bypass_governance, owner };
        match self.execute(bucket, key, command).await? {
            Outcome::Deleted { removed, marker } => Ok(Deleted { removed, marker }),
            _ => Err(EngineError::unexpected("Delete")),
        }
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
        let command = Command::UpdateAttributes { version, change, bypass_governance };
        self.execute(bucket, key, command).await.map(|_| ())
    }

    /// Sends the command that names a staged blob: the only commit point of a write.
    pub(super) async fn commit(
        &self,
        bucket: &Bucket,
        staged: &Staged,
        command: Command,
    ) -> Result<Outcome, EngineError> {
        let (owner, key) = staged.owner();
        if owner != bucket.entry.id {
            // The bucket that the body was received for is gone; another has its name.
            return Err(EngineError::Refused(Refusal::NoSuchBucket));
        }
        let Some(guard) = staged.guard() else { return self.execute(bucket, key, command).await };
        guard.disarm();
        let outcome = self.execute(bucket, key, command).await;
        guard.settle(&outcome);
        outcome
    }
}
