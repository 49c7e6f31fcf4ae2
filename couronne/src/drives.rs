//! Opening the drives of this process, each with its share of the memory; and whose they are, before they are opened.
//!
//! Must not know: settings, which folders the drives are in, what is done with the drives.

use std::path::{Path, PathBuf};

use couronne_metadata::rocks::RocksSettings;
use couronne_storage_node::node::{
    DriveNotes, DriveOwner, Membership, NodeDrive, NodeError, OwnerNode, is_in_use, open_folder, open_folders,
};
use thiserror::Error;

use crate::folder::{DataFolder, DataFolderError};

/// RocksDB memory of all drives together, in bytes: unflushed rows, and cached blocks.
const ROCKS_BYTES: usize = 128 << 20;

/// The drives in these folders, of which this is noted.
pub(crate) async fn open(folders: &[PathBuf], notes: &DriveNotes) -> Result<Vec<NodeDrive>, NodeError> {
    open_folders(folders, &rocks_settings(folders.len()), notes).await
}

/// The drive in one folder, of a node that has so many.
pub(crate) async fn open_one(folder: &Path, count: usize) -> Result<NodeDrive, NodeError> {
    open_folder(folder, &rocks_settings(count)).await
}

/// Whose the drives in these data folders are, whatever the process is told to be.
pub(crate) async fn owner(folder: &DataFolder) -> Result<Option<DriveOwner>, DrivesError> {
    let (mut folders, wanted) = (folder.present_drive_folders()?, folder.drive_folders()?);
    folders.extend(wanted.into_iter().filter(|folder| !folders.contains(folder)).collect::<Vec<_>>());
    Ok(Membership::owner_of_folders(&folders).await?)
}

/// Refuses to make a new member where another has used the drives in these data folders; nothing is made or written. Gives
/// the cluster that unused drives were prepared for.
pub(crate) async fn refuse_used(folder: &DataFolder) -> Result<Option<DriveOwner>, DrivesError> {
    let owner = owner(folder).await?;
    match owner {
        Some(owner) if owner.is_used => Err(identity_lost(folder, &owner).into()),
        owner => Ok(owner),
    }
}

/// What is told where drives were used and the data folders do not say by which node.
pub(crate) fn identity_lost(folder: &DataFolder, owner: &DriveOwner) -> DataFolderError {
    let (folder, cluster) = (folder.name(), owner.cluster);
    match owner.node {
        Some(OwnerNode { id, is_alone: true, .. }) => {
            DataFolderError::LoneIdentityLost { folder, node: format!("node {id}"), cluster }
        }
        Some(OwnerNode { id, .. }) => DataFolderError::IdentityLost { folder, node: format!("node {id}"), cluster },
        None => DataFolderError::IdentityLost { folder, node: "a node".to_owned(), cluster },
    }
}

/// Refuses to go on where none of these folders has a drive, before any is made.
pub(crate) async fn require_any(folders: &[PathBuf]) -> Result<(), NodeError> {
    for folder in folders {
        // One that cannot be looked at is left to the code that opens it.
        if is_in_use(folder).await.unwrap_or(true) {
            return Ok(());
        }
    }
    let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let why = "empty or not there: are its drives mounted, and were they not emptied?";
    Err(NodeError::NoMap(format!("{}: {why}", names.join(", "))))
}

/// Why drives were refused.
#[derive(Debug, Error)]
pub(crate) enum DrivesError {
    /// They are another node's, or elsewhere.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// They cannot be read.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// A drive's share of the memory.
fn rocks_settings(drives: usize) -> RocksSettings {
    let share = ROCKS_BYTES / drives.max(1);
    let write_buffers_bytes = share.clamp(12 << 20, 48 << 20);
    RocksSettings {
        write_buffers_bytes,
        // The larger a flush, the fewer files that a row may be in, and the less compaction.
        write_buffer_bytes: write_buffers_bytes / 3 * 2,
        block_cache_bytes: share.clamp(8 << 20, 32 << 20),
        ..RocksSettings::default()
    }
}
