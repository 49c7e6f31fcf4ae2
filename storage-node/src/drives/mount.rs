//! Mounting the drives of a node: what a start found in each place, and which of them forgot their past.
//!
//! Promises: a drive that comes back emptied, rolled back or with a corrupt log is known as such; a mount that was
//! cut off can be repeated; one that would leave a range without most of its replicas is refused.
//! Must not know: what the meta group says.

use std::collections::BTreeSet;
use std::sync::Arc;

use couronne_base::env::Env;
use couronne_cluster::changes;
use couronne_cluster::map::{ClusterMap, DriveStart, LogEnd, StoredDrive};
use couronne_ring::{DriveId, NodeId};
use futures_util::future::join_all;

use super::{ById, Identity, MountedDrive, NodeDrive};
use crate::error::NodeError;
use crate::log::DriveLog;

/// What a start found in a drive's place.
pub(crate) struct FoundDrive {
    pub(crate) drive: NodeDrive,
    pub(crate) identity: Option<Identity>,
}

/// Mounts the drives of a node that are here. Also says which of them have forgotten their past.
pub(crate) async fn mount_all(
    env: &Env,
    map: &ClusterMap,
    node: NodeId,
    found: Vec<FoundDrive>,
) -> Result<(ById, Vec<DriveId>), NodeError> {
    let present: BTreeSet<DriveId> =
        found.iter().filter_map(|found| found.identity.as_ref()).map(|identity| identity.drive).collect();
    let mut absent = map.drives_of(node).filter(|drive| !present.contains(drive));
    let (mut opening, mut renewed) = (Vec::new(), BTreeSet::new());
    for FoundDrive { drive, identity } in found {
        let name = &drive.name;
        let id = match identity {
            Some(identity) => {
                let known = map.drives.get(&identity.drive).filter(|known| known.node == node);
                let Some(known) = known else {
                    return Err(NodeError::Drive(format!("{name}: is not a drive of this node")));
                };
                if known.has_forgotten(&about_to_start(&identity, known)) {
                    tracing::warn!(name, "drive was rolled back or formatted anew: its replicas begin anew");
                    renewed.insert(identity.drive);
                    if known.incarnation == Some(identity.incarnation) {
                        begin_anew(&drive, env).await?;
                    }
                }
                identity.drive
            }
            // An empty folder takes the place of a drive that is gone.
            None => {
                let Some(id) = absent.next() else {
                    return Err(NodeError::Drive(format!(
                        "{name}: no drive of this node is missing for it to replace"
                    )));
                };
                tracing::warn!(name, drive = %id, "an empty folder replaces a missing drive");
                let formatted = Identity::format_as(&drive.disk, env, map.cluster, id).await;
                formatted.map_err(|error| NodeError::Drive(format!("{name}: {error}")))?;
                renewed.insert(id);
                id
            }
        };
        opening.push((id, drive));
    }
    let known_end = |id: &DriveId| match map.drives.get(id) {
        Some(known) if !renewed.contains(id) => known.log_end,
        _ => LogEnd::START,
    };
    let opened = join_all(opening.iter().map(|(id, drive)| mount(env, map.cluster, drive, known_end(id)))).await;
    let mut mounted = ById::new();
    for ((id, drive), opened) in opening.iter().zip(opened) {
        let opened = match opened {
            Err(error @ NodeError::CorruptLog(_)) => {
                renewed.insert(*id);
                changes::check_survivors(map, &renewed)?;
                tracing::error!(drive = drive.name, %error, "the drive's replicas begin anew");
                mount_without_log(env, drive).await
            }
            opened => opened,
        };
        match opened {
            Ok(drive) => drop(mounted.insert(*id, Arc::new(drive))),
            Err(error) => tracing::error!(drive = drive.name, %error, "drive is left out"),
        }
    }
    changes::check_survivors(map, &renewed)?;
    if mounted.is_empty() {
        return Err(NodeError::TooFewDrives("none can be opened".to_owned()));
    }
    Ok((mounted, renewed.into_iter().collect()))
}

/// How a drive comes back as far as its identity says: what its log says is seen when it is opened.
fn about_to_start(identity: &Identity, known: &StoredDrive) -> DriveStart {
    let Identity { boots, incarnation, .. } = *identity;
    let (boots, start) = (boots.saturating_add(1), known.start.wrapping_add(1));
    DriveStart { boots, incarnation, start, log_end: known.log_end }
}

/// Notes on a drive that it has forgotten its past: by its count of starts alone that could not be told any more
/// after a few further ones, if those are cut off before the map knows.
async fn begin_anew(drive: &NodeDrive, env: &Env) -> Result<(), NodeError> {
    let noted = Identity::begin_anew(&drive.disk, env).await;
    noted.map(drop).map_err(|error| NodeError::Drive(format!("{}: {error}", drive.name)))
}

/// Mounts a drive whose log is corrupt with an empty one.
async fn mount_without_log(env: &Env, drive: &NodeDrive) -> Result<MountedDrive, NodeError> {
    let failed = |error: &dyn std::fmt::Display| NodeError::Drive(format!("{}: {error}", drive.name));
    begin_anew(drive, env).await?;
    DriveLog::remove(&*drive.disk).await.map_err(|error| failed(&error))?;
    let identity = Identity::read(&drive.disk).await.map_err(|error| failed(&error))?;
    MountedDrive::open(drive, identity, LogEnd::START, env).await
}

/// Mounts a drive that was formatted. Its log was durable up to `known_end`.
pub(crate) async fn mount(
    env: &Env,
    cluster: u128,
    drive: &NodeDrive,
    known_end: LogEnd,
) -> Result<MountedDrive, NodeError> {
    let booted = Identity::boot(&drive.disk, cluster).await;
    let identity = booted.map_err(|error| NodeError::Drive(format!("{}: {error}", drive.name)))?;
    MountedDrive::open(drive, identity, known_end, env).await
}
