//! Whose the drives in some folders are, before any of them is opened.
//!
//! Promises: nothing is made or written: a start that is refused because of what is found here leaves no trace.
//! Must not know: what a process is told to be.

use std::path::{Path, PathBuf};

use couronne_ring::NodeId;

use super::Membership;
use super::file::NodeFile;
use crate::disk::Disk;
use crate::disk::files::FileDisk;
use crate::drives::{Identity, IdentityError, is_folder};
use crate::error::NodeError;

/// Whose drives are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveOwner {
    /// The folder of the drive that says so.
    pub folder: PathBuf,
    /// The cluster.
    pub cluster: u128,
    /// Whether the drive was ever started; if not it holds nothing.
    pub is_used: bool,
    /// What the newest map on the drives says of the node; `None` if no map on them can be read.
    pub node: Option<OwnerNode>,
}

/// What a map on drives says of their node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerNode {
    /// The node.
    pub id: NodeId,
    /// How many drives it has.
    pub drives: usize,
    /// Whether its cluster has no other member, and waits for none.
    pub is_alone: bool,
}

struct OwnedDrive {
    folder: PathBuf,
    identity: Identity,
    file: Option<NodeFile>,
}

impl Membership {
    /// Whose the drives in these folders are, as the newest map on them says; `None` if there are no drives. One that
    /// cannot be read counts only if no other was ever started.
    pub async fn owner_of_folders(folders: &[PathBuf]) -> Result<Option<DriveOwner>, NodeError> {
        let (mut found, mut failed) = (Vec::new(), None);
        for folder in folders {
            match look(folder).await {
                Ok(drive) => found.extend(drive),
                Err(error @ NodeError::InUse(_)) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "what this drive says of itself cannot be read");
                    failed = failed.or(Some(error));
                }
            }
        }
        let is_used = found.iter().any(|drive| drive.identity.boots > 0);
        if let (false, Some(error)) = (is_used, failed) {
            return Err(error);
        }
        let mut fitting = found.into_iter().filter(|drive| !is_used || drive.identity.boots > 0);
        let Some(mut newest) = fitting.next() else { return Ok(None) };
        for drive in fitting {
            if drive.identity.cluster != newest.identity.cluster {
                return Err(NodeError::Drive("folders belong to different clusters".to_owned()));
            }
            if age(&drive) > age(&newest) {
                newest = drive;
            }
        }
        let node = newest.file.map(|NodeFile { node: id, map, .. }| OwnerNode {
            id,
            drives: map.drives_of(id).count(),
            is_alone: map.nodes.len() == 1 && map.bootstrap.is_none(),
        });
        Ok(Some(DriveOwner { folder: newest.folder, cluster: newest.identity.cluster, is_used, node }))
    }
}

/// The greater, the newer is what a drive says.
fn age(drive: &OwnedDrive) -> Option<(u64, u64)> {
    drive.file.as_ref().map(|file| (file.map.version, file.seen_ms))
}

/// What a drive says of itself; `None` if the folder is not there or has no drive in it.
async fn look(folder: &Path) -> Result<Option<OwnedDrive>, NodeError> {
    let name = folder.display();
    let failed = |error: &dyn std::fmt::Display| NodeError::Drive(format!("{name}: {error}"));
    if !is_folder(folder).await? {
        return Ok(None);
    }
    // The folder is there, so nothing is made.
    let disk = FileDisk::open(folder).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => NodeError::InUse(name.to_string()),
        _ => failed(&error),
    })?;
    let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(disk);
    let identity = match Identity::read(&disk).await {
        Ok(identity) => identity,
        Err(IdentityError::Absent) => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let file = NodeFile::read(&*disk).await.map_err(|error| failed(&error))?;
    Ok(Some(OwnedDrive { folder: folder.to_owned(), identity, file }))
}
