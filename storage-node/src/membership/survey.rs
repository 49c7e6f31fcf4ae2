//! What a start finds on the drives that it was given: identities, and the node's file on the newest of them.
//!
//! Promises: drives of different clusters are refused; a drive that cannot be read is left out. Where none is left, the
//! refusal says of each why.
//! Must not know: logs, replicas.

use std::collections::BTreeSet;

use couronne_cluster::changes;
use couronne_placement::Redundancy;
use couronne_ring::NodeId;

use super::file::NodeFile;
use crate::drives::{FoundDrive, Identity, IdentityError, NodeDrive, OmittedDrives};
use crate::error::NodeError;

struct Surveyed {
    drive: NodeDrive,
    identity: Option<Identity>,
    file: Option<NodeFile>,
}

/// The drives as they were found, those that are left out, and the newest of their files. `redundancy`, if given, must be that of the policy
/// with which the cluster was founded. Drives of other nodes than `node`, if given, are left out.
pub(crate) async fn survey(
    drives: &[NodeDrive],
    redundancy: Option<Redundancy>,
    node: Option<NodeId>,
) -> Result<(NodeFile, (Vec<FoundDrive>, OmittedDrives)), NodeError> {
    if drives.is_empty() {
        return Err(NodeError::TooFewDrives("there is none".to_owned()));
    }
    let (mut surveyed, mut omitted) = look_at(drives).await?;
    if let Some(node) = node {
        surveyed.retain(|found| is_of(found, node, &mut omitted));
    }
    let Some(file) = newest_file(&surveyed).cloned() else { return Err(without_map(&surveyed, omitted)) };
    if let Some(asked) = redundancy {
        changes::check_first_policy(&file.map, asked)?;
    }
    let found = surveyed.into_iter().map(|Surveyed { drive, identity, .. }| FoundDrive { drive, identity });
    Ok((file, (found.collect(), omitted)))
}

/// The refusal of a start none of whose drives says what its cluster is.
fn without_map(surveyed: &[Surveyed], mut omitted: OmittedDrives) -> NodeError {
    for Surveyed { drive, identity, .. } in surveyed {
        match identity {
            None => omitted.note_silently(&drive.name, &"its folder is empty: is its disk mounted?"),
            Some(_) => omitted.note_silently(
                &drive.name,
                &"neither of its copies of the cluster map (the files `map` and `map.copy`) is there and sound, and no \
                  other was found: put either file back from a copy of the folder, or the file `map` beside the drives \
                  from the data folder of any member of the cluster",
            ),
        }
    }
    NodeError::NoMap(omitted.told())
}

/// Whether a drive says of no other node that it is its own.
fn is_of(found: &Surveyed, node: NodeId, omitted: &mut OmittedDrives) -> bool {
    let other = found.file.as_ref().filter(|file| file.node != node);
    if let Some(file) = other {
        let owner = file.map.name_of(file.node);
        omitted.note(&found.drive.name, &format_args!("it is a drive of {owner}, not of this node"));
    }
    other.is_none()
}

fn newest_file(surveyed: &[Surveyed]) -> Option<&NodeFile> {
    let files = surveyed.iter().filter_map(|found| found.file.as_ref());
    files.max_by_key(|file| file.age())
}

async fn look_at(drives: &[NodeDrive]) -> Result<(Vec<Surveyed>, OmittedDrives), NodeError> {
    let (mut surveyed, mut omitted) = (Vec::new(), OmittedDrives::default());
    for drive in drives {
        let identity = match Identity::read(&drive.disk).await {
            Ok(identity) => Some(identity),
            Err(IdentityError::Absent) => None,
            Err(error @ (IdentityError::Format(_) | IdentityError::Cluster { .. })) => {
                return Err(NodeError::Drive(format!("{}: {error}", drive.name)));
            }
            Err(error) => {
                omitted.note(&drive.name, &error);
                continue;
            }
        };
        let file = match NodeFile::read(&*drive.disk).await {
            Ok(file) => file,
            Err(error) => {
                omitted.note(&drive.name, &format_args!("reading its copy of the cluster map: {error}"));
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
    Ok((surveyed, omitted))
}
