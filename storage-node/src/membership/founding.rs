//! A node's very first step: founding a cluster, or settling in one that admitted it.
//!
//! Promises: drives get their identities before the map is written to them, and whatever was cut off can
//! be repeated, with the same cluster and the same node. A drive that was prepared for another cluster is refused.
//! A member that lost all its drives gets the map from its peers, and settles again; one whose drives have no map that
//! verifies gets it from its peers or from beside its drives, and what it has forgotten is noticed as ever.
//! Must not know: tokens, certificates.

use std::collections::BTreeSet;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_cluster::changes::{self, Founding};
use couronne_cluster::map::{Bootstrap, ClusterMap, MapNode};
use couronne_placement::Policy;
use couronne_protocol::transport::Transport;
use couronne_ring::{DriveId, NodeId, WEIGHT_MAX};
use tokio::time::{Instant, sleep};

use super::Membership;
use super::file::NodeFile;
use super::recollection::{RECALL_WAIT, ask_for_maps};
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

    /// Gives drives the map again if none has a copy of it that verifies: `known` is the one that the node keeps beside its
    /// drives. Drives that were in use get the newest that can be had within a few seconds; an older one does no harm, for
    /// whether they forgot something is judged by the others' maps, too, before they vote. Where all were emptied, which is
    /// seen by the newest map alone, other nodes are asked until one answers, and the drives get the ids that they had.
    pub async fn prepare_drives_again(
        env: &Env,
        drives: &[NodeDrive],
        node: NodeId,
        known: &ClusterMap,
        transport: Option<&dyn Transport>,
        notes: &DriveNotes,
    ) -> Result<(), NodeError> {
        let (mut used, mut unused) = (Vec::new(), Vec::new());
        for drive in drives {
            // What cannot be read is told of by the survey.
            let Ok(file) = NodeFile::read(&*drive.disk).await else { continue };
            if file.is_some() {
                return Ok(());
            }
            match identity(drive).await {
                Ok(Some(identity)) if identity.boots > 0 => used.push((drive, identity)),
                Ok(identity) => unused.push((drive.clone(), identity)),
                Err(_) => {}
            }
        }
        if !used.is_empty() {
            let map = newest_map(node, known, transport).await;
            return give_map(&used, NodeFile { node, seen_ms: map.time_ms, map }).await;
        }
        match transport {
            Some(transport) if !unused.is_empty() => {
                tracing::warn!("no drive has the cluster's map, for all were emptied: asking other nodes for it");
                settle_again(env, unused, node, ask_for_map(node, known, transport).await, notes).await
            }
            _ => Ok(()),
        }
    }
}

/// Writes the map to those drives that it says are this node's.
async fn give_map(used: &[(&NodeDrive, Identity)], file: NodeFile) -> Result<(), NodeError> {
    let is_own = |identity: &Identity| {
        let known = file.map.drives.get(&identity.drive);
        identity.cluster == file.map.cluster && known.is_some_and(|known| known.node == file.node)
    };
    for (drive, identity) in used.iter().filter(|(_, identity)| is_own(identity)) {
        let (name, version) = (&drive.name, file.map.version);
        tracing::error!(name, version, drive = %identity.drive, "no copy of the map verifies: the drive gets it again");
        file.write(&*drive.disk).await.map_err(|error| failed(drive, &error))?;
    }
    Ok(())
}

/// Settles emptied drives in the cluster again, under the ids that they had.
async fn settle_again(
    env: &Env,
    emptied: Vec<(NodeDrive, Option<Identity>)>,
    node: NodeId,
    map: ClusterMap,
    notes: &DriveNotes,
) -> Result<(), NodeError> {
    let own = map.drives_of(node).collect();
    let mut taken: BTreeSet<DriveId> = emptied.iter().filter_map(|(_, known)| Some(known.as_ref()?.drive)).collect();
    let mut planned = Vec::new();
    for (drive, known) in &emptied {
        let id = match known {
            Some(identity) => identity.drive,
            None => notes.place_of(&drive.name, &own, &taken).map_err(|why| failed(drive, &why))?,
        };
        taken.insert(id);
        planned.push((id, 0));
    }
    let drives: Vec<NodeDrive> = emptied.into_iter().map(|(drive, _)| drive).collect();
    Membership::prepare_drives(env, &drives, &planned, node, map).await
}

/// The newest of the map that is `known` and those that other nodes give, of which one has a few seconds to answer.
async fn newest_map(node: NodeId, known: &ClusterMap, transport: Option<&dyn Transport>) -> ClusterMap {
    let (began, others) = (Instant::now(), others(node, known));
    let Some(transport) = transport.filter(|_| !others.is_empty()) else { return known.clone() };
    loop {
        let maps = ask_for_maps(others.iter().copied(), known.cluster, transport).await;
        if !maps.is_empty() || began.elapsed() >= RECALL_WAIT {
            let maps = maps.into_values().chain([known.clone()]);
            return maps.max_by_key(|map| map.version).unwrap_or_else(|| known.clone());
        }
        sleep(ASK_AGAIN).await;
    }
}

/// The newest map that the other nodes know, as soon as one of them answers.
async fn ask_for_map(node: NodeId, known: &ClusterMap, transport: &dyn Transport) -> ClusterMap {
    loop {
        let maps = ask_for_maps(others(node, known), known.cluster, transport).await;
        match maps.into_values().max_by_key(|map| map.version) {
            Some(map) => return map,
            None => tracing::warn!("no node gives the cluster's map yet"),
        }
        sleep(ASK_AGAIN).await;
    }
}

/// The other storage nodes.
fn others(node: NodeId, known: &ClusterMap) -> Vec<NodeId> {
    known.storage_nodes().map(|(id, _)| *id).filter(|id| *id != node).collect()
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
