//! A node's very first step: founding a cluster, or settling in one that admitted it.
//!
//! Promises: drives get their identities before the map is written to them, and whatever was cut off can
//! be repeated, with the same cluster and the same node. A drive that was prepared for another cluster is refused.
//! A member that lost all its drives gets the map from its peers, and settles again.
//! Must not know: tokens, certificates.

use std::collections::BTreeSet;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_cluster::changes::{self, Founding};
use couronne_cluster::map::{Bootstrap, ClusterMap, MapNode};
use couronne_placement::Policy;
use couronne_protocol::transport::Transport;
use couronne_ring::{DriveId, NodeId, WEIGHT_MAX};
use tokio::time::sleep;

use super::Membership;
use super::file::NodeFile;
use super::recollection::ask_for_maps;
use crate::disk::Space;
use crate::drives::{self, DriveNotes, Identity, IdentityError, LeftOut, NodeDrive};
use crate::error::NodeError;

/// The pause after no node gave the map.
const ASK_AGAIN: Duration = Duration::from_millis(500);

impl Membership {
    /// The cluster and the node that drives belong to, as the newest map on them says; `None` if none has a map. A map
    /// of the node `expected`, if one is given and has any, counts before those of others.
    pub async fn owner(drives: &[NodeDrive], expected: Option<NodeId>) -> Result<Option<(u128, NodeId)>, NodeError> {
        let mut newest: Option<NodeFile> = None;
        let rank = |file: &NodeFile| (Some(file.node) == expected, file.age());
        for drive in drives {
            match NodeFile::read(&*drive.disk).await {
                Ok(Some(file)) if newest.as_ref().is_none_or(|other| rank(other) < rank(&file)) => {
                    newest = Some(file);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(drive = drive.name, %error, "the drive's map cannot be read"),
            }
        }
        Ok(newest.map(|file| (file.map.cluster, file.node)))
    }

    /// The ids that new drives will have, and their shares in rings. A drive that has an id keeps it;
    /// one that was in use is refused.
    pub async fn plan_drives(env: &Env, drives: &[NodeDrive]) -> Result<Vec<(DriveId, u32)>, NodeError> {
        let mut planned = Vec::new();
        for drive in drives {
            let id = match unused_identity(drive).await? {
                Some(identity) => identity.drive,
                None => DriveId(u128::from_be_bytes(env.random_bytes())),
            };
            let space = drive.disk.space().await.map_err(|error| failed(drive, &error))?;
            planned.push((id, weight(space)));
        }
        Ok(planned)
    }

    /// Founds a cluster of this node: its drives get the ids of `planned`, and the first map.
    pub async fn found(
        env: &Env,
        drives: &[NodeDrive],
        planned: &[(DriveId, u32)],
        (cluster, id, node): (u128, NodeId, MapNode),
        policy: &Policy,
        bootstrap: Bootstrap,
    ) -> Result<(), NodeError> {
        let (drives_planned, policy) = (planned.to_vec(), policy.clone());
        let now_ms = env.clock.wall_ms();
        let map = changes::found(Founding { cluster, id, node, drives: drives_planned, policy, bootstrap, now_ms })?;
        Self::prepare_drives(env, drives, planned, id, map).await
    }

    /// Settles in a cluster that admitted this node: its drives get the ids of `planned`, and the map.
    pub async fn prepare_drives(
        env: &Env,
        drives: &[NodeDrive],
        planned: &[(DriveId, u32)],
        node: NodeId,
        map: ClusterMap,
    ) -> Result<(), NodeError> {
        for (drive, (id, _)) in drives.iter().zip(planned) {
            match unused_identity(drive).await? {
                Some(identity) if identity.cluster != map.cluster => {
                    let (found, wanted) = (identity.cluster, map.cluster);
                    let why = format!(
                        "was prepared for cluster {found:032x}, not {wanted:032x}, and never used: empty its folder"
                    );
                    return Err(failed(drive, &why));
                }
                Some(_) => {}
                None => {
                    let formatted = Identity::format_as(&drive.disk, env, map.cluster, *id).await;
                    formatted.map_err(|error| failed(drive, &error))?;
                }
            }
        }
        let file = NodeFile { node, seen_ms: env.clock.wall_ms(), map };
        for drive in drives {
            file.write(&*drive.disk).await?;
        }
        Ok(())
    }

    /// Settles again in its cluster if none of the drives has a map, be it that all were emptied: asks
    /// the nodes of the map it knew until one answers, and gives its drives the ids that the map says
    /// they had. What they had forgotten follows from their counts of starts.
    pub async fn prepare_drives_again(
        env: &Env,
        drives: &[NodeDrive],
        node: NodeId,
        known: &ClusterMap,
        transport: &dyn Transport,
        notes: &DriveNotes,
    ) -> Result<(), NodeError> {
        for drive in drives {
            if NodeFile::read(&*drive.disk).await?.is_some() {
                return Ok(());
            }
        }
        tracing::warn!("no drive has the cluster's map: asking other nodes for it");
        let map = ask_for_map(node, known, transport).await;
        let mut taken = BTreeSet::new();
        for drive in drives {
            let known = identity(drive).await?;
            if known.is_some_and(|identity| identity.boots > 0) {
                let why = "has been in use, and its copy of the cluster map is gone: once `couronne status` says that the \
                           cluster can do without what it holds, empty its folder";
                return Err(failed(drive, &why));
            }
            taken.extend(known.map(|identity| identity.drive));
        }
        let own = map.drives_of(node).collect();
        let mut planned = Vec::new();
        for drive in drives {
            let id = match identity(drive).await? {
                Some(identity) => identity.drive,
                None => notes.place_of(&drive.name, &own, &taken).map_err(|why| failed(drive, &why))?,
            };
            taken.insert(id);
            planned.push((id, 0));
        }
        Self::prepare_drives(env, drives, &planned, node, map).await
    }
}

/// The newest map that the other nodes know, as soon as one of them answers.
async fn ask_for_map(node: NodeId, known: &ClusterMap, transport: &dyn Transport) -> ClusterMap {
    loop {
        let others = known.storage_nodes().map(|(id, _)| *id).filter(|id| *id != node);
        let maps = ask_for_maps(others, known.cluster, transport).await;
        match maps.into_values().max_by_key(|map| map.version) {
            Some(map) => return map,
            None => tracing::warn!("no node gives the cluster's map yet"),
        }
        sleep(ASK_AGAIN).await;
    }
}

/// The identity of a drive that was never started, if it has one.
async fn unused_identity(drive: &NodeDrive) -> Result<Option<Identity>, NodeError> {
    match identity(drive).await? {
        Some(Identity { boots: 1.., cluster, .. }) => {
            let why = "and its node's identity.toml is not here: put that back, or name another folder";
            Err(failed(drive, &format!("has been in use in cluster {cluster:032x}, {why}")))
        }
        None if let Some(remains) = drives::remains(drive).await? => Err(failed(drive, &LeftOut::NotEmpty(remains))),
        identity => Ok(identity),
    }
}

async fn identity(drive: &NodeDrive) -> Result<Option<Identity>, NodeError> {
    match Identity::read(&drive.disk).await {
        Ok(identity) => Ok(Some(identity)),
        Err(IdentityError::Absent) => Ok(None),
        Err(error) => Err(failed(drive, &error)),
    }
}

fn failed(drive: &NodeDrive, error: &dyn std::fmt::Display) -> NodeError {
    NodeError::Drive(format!("{}: {error}", drive.name))
}

/// A drive's share in rings: its capacity in GiB.
fn weight(space: Space) -> u32 {
    u32::try_from(space.total >> 30).unwrap_or(WEIGHT_MAX).clamp(1, WEIGHT_MAX)
}
