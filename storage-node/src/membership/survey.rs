//! What a start finds on the drives that it was given: identities, and the node's file on the newest of them.
//!
//! The first start of a lone node founds a cluster of it.
//! Promises: drives of different clusters are refused; a drive that cannot be read is left out.
//! Must not know: logs, replicas.

use std::collections::BTreeSet;

use couronne_base::env::Env;
use couronne_placement::Policy;
use couronne_protocol::map::{Formation, MapNode, MapState};
use couronne_protocol::transport::Role;
use couronne_ring::{NodeId, RegionName, ZoneName};

use super::Membership;
use super::file::NodeFile;
use crate::drives::{Found, Identity, IdentityError, NodeDrive};
use crate::error::NodeError;

struct Surveyed {
    drive: NodeDrive,
    identity: Option<Identity>,
    file: Option<NodeFile>,
}

/// The drives as they were found, and the newest of their files. Without any file the node founds a cluster of itself
/// alone, if `policy` names what its buckets are kept by; with one, that policy must be the one it was formed with.
pub(crate) async fn survey(
    env: &Env,
    drives: &[NodeDrive],
    policy: Option<&Policy>,
    range_count: u16,
) -> Result<(NodeFile, Vec<Found>), NodeError> {
    if drives.is_empty() {
        return Err(NodeError::TooFewDrives("there is none".to_owned()));
    }
    let mut surveyed = look_at(drives).await?;
    if newest_file(&surveyed).is_none() {
        found_alone(env, drives, policy.ok_or(NodeError::NoMember)?, range_count).await?;
        surveyed = look_at(drives).await?;
    }
    let file = newest_file(&surveyed).cloned().ok_or(NodeError::NoMember)?;
    check_policy(&file.map, policy)?;
    let found = surveyed.into_iter().map(|Surveyed { drive, identity, .. }| Found { drive, identity });
    Ok((file, found.collect()))
}

fn newest_file(surveyed: &[Surveyed]) -> Option<&NodeFile> {
    let files = surveyed.iter().filter_map(|found| found.file.as_ref());
    files.max_by_key(|file| (file.map.version, file.seen_ms))
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

/// Founds a cluster of this node alone.
async fn found_alone(env: &Env, drives: &[NodeDrive], policy: &Policy, range_count: u16) -> Result<(), NodeError> {
    let node = MapNode {
        role: Role::StorageNode,
        name: "local".into(),
        address: "".into(),
        region: RegionName("local".into()),
        zone: ZoneName("local".into()),
    };
    let (cluster, id) = (u128::from_be_bytes(env.random_bytes()), NodeId(u128::from_be_bytes(env.random_bytes())));
    let formation = Formation { nodes: 1, ranges: range_count };
    let planned = Membership::plan_drives(env, drives).await?;
    Membership::found(env, drives, &planned, (cluster, id, node), policy, formation).await
}

fn check_policy(map: &MapState, policy: Option<&Policy>) -> Result<(), NodeError> {
    let asked = policy.map(|policy| policy.redundancy);
    // The first of all; which is the default is an operator's to change.
    let first = map.policies.values().next().map(|first| first.policy.redundancy);
    match (first, asked) {
        (Some(formed), Some(asked)) if formed != asked => {
            Err(NodeError::Policy(format!("was fixed at the first start: {formed}, not {asked}")))
        }
        _ => Ok(()),
    }
}
