//! What a start finds on the drives that it was given: identities, and the node's file on the newest of them.
//!
//! Promises: drives of different clusters are refused; a drive that cannot be read is left out.
//! Must not know: logs, replicas.

use std::collections::BTreeSet;

use couronne_cluster::changes;
use couronne_placement::Redundancy;
use couronne_ring::NodeId;

use super::file::NodeFile;
use crate::drives::{FoundDrive, Identity, IdentityError, NodeDrive};
use crate::error::NodeError;

struct Surveyed {
    drive: NodeDrive,
    identity: Option<Identity>,
    file: Option<NodeFile>,
}

/// The drives as they were found, and the newest of their files. `redundancy`, if given, must be that of the policy
/// with which the cluster was founded. Drives of other nodes than `node`, if given, are left out.
pub(crate) async fn survey(
    drives: &[NodeDrive],
    redundancy: Option<Redundancy>,
    node: Option<NodeId>,
) -> Result<(NodeFile, Vec<FoundDrive>), NodeError> {
    if drives.is_empty() {
        return Err(NodeError::TooFewDrives("there is none".to_owned()));
    }
    let mut surveyed = look_at(drives).await?;
    if let Some(node) = node {
        surveyed.retain(|found| is_of(found, node));
    }
    let file = newest_file(&surveyed).cloned().ok_or(NodeError::NoMap)?;
    if let Some(asked) = redundancy {
        changes::check_first_policy(&file.map, asked)?;
    }
    let found = surveyed.into_iter().map(|Surveyed { drive, identity, .. }| FoundDrive { drive, identity });
    Ok((file, found.collect()))
}

/// Whether a drive says of no other node that it is its own.
fn is_of(found: &Surveyed, node: NodeId) -> bool {
    let other = found.file.as_ref().filter(|file| file.node != node);
    if let Some(file) = other {
        let (name, owner) = (&found.drive.name, file.map.name_of(file.node));
        tracing::error!(name, "is a drive of {owner}, not of this node: it is left out");
    }
    other.is_none()
}

fn newest_file(surveyed: &[Surveyed]) -> Option<&NodeFile> {
    let files = surveyed.iter().filter_map(|found| found.file.as_ref());
    files.max_by_key(|file| file.age())
}

async fn look_at(drives: &[NodeDrive]) -> Result<Vec<Surveyed>, NodeError> {
    let mut surveyed = Vec::new();
    for drive in drives {
        let identity = match Identity::read(&drive.disk).await {
            Ok(identity) => Some(identity),
            Err(IdentityError::Absent) => None,
            Err(error @ (IdentityError::Format(_) | IdentityError::Cluster { .. })) => {
                return Err(NodeError::Drive(format!("{}: {error}", drive.name)));
            }
            Err(error) => {
                tracing::error!(drive = drive.name, %error, "drive is left out");
                continue;
            }
        };
        let file = match NodeFile::read(&*drive.disk).await {
            Ok(file) => file,
            Err(error) => {
                tracing::error!(drive = drive.name, %error, "drive is left out");
                continue;
            }
        };
        surveyed.push(Surveyed { drive: drive.clone(), identity, file });
    }
    let clusters: BTreeSet<u128> =
        surveyed.iter().filter_map(|found| found.identity.as_ref()).map(|identity| identity.cluster).collect();
    if clusters.len() > 1 {
        return Err(NodeError::Drive("folders belong to different clusters".to_owned()));
    }
    Ok(surveyed)
}
