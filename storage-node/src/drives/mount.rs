//! Mounting the drives of a node: what a start found in each place, and which of them forgot their past.
//!
//! Promises: a drive that comes back emptied, rolled back or with a corrupt log is known as such; a mount that was
//! cut off can be repeated; one that would leave a range without most of its replicas is refused.
//! Must not know: what the meta group says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use couronne_base::blocking::blocking;
use couronne_base::env::Env;
use couronne_base::mutant;
use couronne_cluster::changes;
use couronne_cluster::map::{ClusterMap, DriveStart, LogEnd, StoredDrive};
use couronne_ring::{DriveId, NodeId};
use futures_util::future::join_all;

use super::findings::{ForgetfulDrives, OmittedDrives};
use super::noted::{DriveNotes, LeftOut};
use super::remains::remains;
use super::{ById, Identity, MountedDrive, NodeDrive};
use crate::error::NodeError;
use crate::log::DriveLog;

/// What a start found in a drive's place.
pub(crate) struct FoundDrive {
    pub(crate) drive: NodeDrive,
    pub(crate) identity: Option<Identity>,
}

/// Mounts the drives of a node that are here, beside those that were `omitted` before. Also says which of them have
/// forgotten their past, and which are left out.
pub(crate) async fn mount_all(
    env: &Env,
    map: &ClusterMap,
    node: NodeId,
    (found, mut omitted): (Vec<FoundDrive>, OmittedDrives),
    notes: &DriveNotes,
) -> Result<(ById, ForgetfulDrives, OmittedDrives), NodeError> {
    let (opening, mut renewed) = identify(env, map, node, (found, &mut omitted), notes).await?;
    let mut rows = RowsElsewhere::new(map, node, &opening, &renewed);
    let opening = rows.renew_stores(opening, &mut omitted).await;
    let mounting = opening.iter().map(|(id, drive)| mount(env, map.cluster, drive, known_end(map, &renewed, *id)));
    let opened = join_all(mounting).await;
    let mut mounted = ById::new();
    for ((id, drive), opened) in opening.iter().zip(opened) {
        let opened = match opened {
            Err(error @ NodeError::CorruptLog(_)) => {
                renewed.note(*id, &drive.name, &format_args!("its log lost durable entries: {error}"));
                renewed.check_survivors(map)?;
                tracing::error!(drive = drive.name, %error, "the drive's replicas begin anew");
                mount_without_log(env, drive).await
            }
            opened => opened,
        };
        let opened = match opened {
            Err(NodeError::RottenStores { what, .. }) => match rows.begin_anew(*id, drive, &what).await {
                Ok(()) => mount(env, map.cluster, drive, known_end(map, &renewed, *id)).await,
                Err(error) => Err(error),
            },
            opened => opened,
        };
        match opened {
            Ok(drive) => drop(mounted.insert(*id, Arc::new(drive))),
            Err(error) => omitted.note(&drive.name, &error),
        }
    }
    renewed.check_survivors(map)?;
    if mounted.is_empty() {
        return Err(NodeError::TooFewDrives(format!("none can be opened: {}", omitted.told())));
    }
    Ok((mounted, renewed, omitted))
}

/// Up to where the log of a drive is known to have been durable.
fn known_end(map: &ClusterMap, renewed: &ForgetfulDrives, id: DriveId) -> LogEnd {
    match map.drives.get(&id) {
        Some(known) if !renewed.contains(id) => known.log_end,
        _ => LogEnd::START,
    }
}

/// Who has the rows of drives whose stores are rotten, as far as the map here says.
struct RowsElsewhere<'a> {
    map: &'a ClusterMap,
    /// Drives that begin with no rows.
    lost: BTreeSet<DriveId>,
    /// Drives that are not here, or are down.
    away: BTreeSet<DriveId>,
}

impl<'a> RowsElsewhere<'a> {
    fn new(map: &'a ClusterMap, node: NodeId, opening: &[(DriveId, NodeDrive)], renewed: &ForgetfulDrives) -> Self {
        let is_here: BTreeSet<DriveId> = opening.iter().map(|(id, _)| *id).collect();
        let is_away = |(id, known): &(&DriveId, &StoredDrive)| match known.node == node {
            true => !is_here.contains(id),
            false => known.down_since_ms.is_some(),
        };
        let away = map.drives.iter().filter(is_away).map(|(id, _)| *id).collect();
        Self { map, lost: renewed.ids(), away }
    }

    /// The ranges that cannot do without the rows of a drive, beside those that begin with none.
    fn needed(&self, id: DriveId) -> Vec<u64> {
        let with_it = self.lost.iter().copied().chain([id]).collect();
        changes::ranges_in_need(self.map, &with_it, &self.away).into_iter().map(|range| range.0).collect()
    }

    /// Has the drives whose rotten stores cannot be opened begin with none, if the others have their rows; if these do
    /// not, the drives are left out. Stores that can be opened are given up later if they have votes, by the newest map.
    async fn renew_stores(
        &mut self,
        opening: Vec<(DriveId, NodeDrive)>,
        omitted: &mut OmittedDrives,
    ) -> Vec<(DriveId, NodeDrive)> {
        let mut kept = Vec::new();
        for (id, drive) in opening {
            if let Some(rot) = drive.stores.rot() {
                let is_open = drive.stores.is_open();
                let done = if is_open && (changes::has_votes(self.map, id) || !self.needed(id).is_empty()) {
                    keep_rotten_stores(&drive, &rot, &self.needed(id));
                    Ok(())
                } else {
                    self.begin_anew(id, &drive, &rot).await
                };
                if let Err(error) = done {
                    omitted.note(&drive.name, &error);
                    continue;
                }
            }
            kept.push((id, drive));
        }
        kept
    }

    /// Has a drive whose stores cannot be gone on with begin with none, if the others have its rows.
    async fn begin_anew(&mut self, id: DriveId, drive: &NodeDrive, rot: &str) -> Result<(), NodeError> {
        begin_stores_anew(drive, rot, &self.needed(id)).await?;
        self.lost.insert(id);
        Ok(())
    }
}

/// Sets the rotten stores of a drive aside, and has it begin with none; an error if ranges cannot do without its rows.
pub(crate) async fn begin_stores_anew(drive: &NodeDrive, rot: &str, needed: &[u64]) -> Result<(), NodeError> {
    let failed = |error: &dyn std::fmt::Display| NodeError::Drive(format!("{}: {error}", drive.name));
    if !needed.is_empty() {
        return Err(failed(&format_args!(
            "its stores cannot be read ({rot}), and too few other drives that are up have the rows of ranges {needed:?}. \
             Nothing was changed: start the nodes and mount the drives that are away, then restart this node, and it \
             gets its rows from them. If they are gone for good, put the drive's whole folder back from a snapshot"
        )));
    }
    tracing::error!(drive = drive.name, rot, "rotten stores are set aside: rows come from other replicas");
    let stores = Arc::clone(&drive.stores);
    let begun = blocking(move || stores.begin_anew()).await.map_err(|error| failed(&error))?;
    begun.map_err(|error| failed(&error))
}

/// Tells of rotten stores that serve what can be read of them, and of the ranges that cannot do without their rows.
pub(crate) fn keep_rotten_stores(drive: &NodeDrive, rot: &str, needed: &[u64]) {
    tracing::error!(
        drive = drive.name,
        rot,
        ?needed,
        "rotten stores stay until enough other drives that are up have the rows of the ranges that need them"
    );
}

/// The drive that each folder is, those left out that are none of this node's; and which of them have forgotten their
/// past. Empty folders are formatted, once it is known that the ranges survive all that was forgotten: a start that is
/// refused for that has written nothing.
async fn identify(
    env: &Env,
    map: &ClusterMap,
    node: NodeId,
    (found, omitted): (Vec<FoundDrive>, &mut OmittedDrives),
    notes: &DriveNotes,
) -> Result<(Vec<(DriveId, NodeDrive)>, ForgetfulDrives), NodeError> {
    let own: BTreeSet<DriveId> = map.drives_of(node).collect();
    let mut taken = refuse_doubles(&found)?;
    let (mut opening, mut renewed) = (Vec::new(), ForgetfulDrives::default());
    let (mut empty, mut forgetful) = (Vec::new(), Vec::new());
    for FoundDrive { drive, identity } in found {
        let name = &drive.name;
        let id = match identity {
            Some(identity) => {
                let known = map.drives.get(&identity.drive);
                let Some(known) = known.filter(|known| known.node == node) else {
                    let owner = known.map_or_else(|| "no node".to_owned(), |known| map.name_of(known.node));
                    omitted.note(name, &format_args!("it is a drive of {owner} of this cluster, not of this node"));
                    continue;
                };
                if known.has_forgotten(&about_to_start(&identity, known)) {
                    let why = how_it_forgot(&identity, known);
                    tracing::warn!(name, why, "drive was rolled back or formatted anew: its replicas begin anew");
                    renewed.note(identity.drive, name, &why);
                    if known.incarnation == Some(identity.incarnation) {
                        forgetful.push(drive.clone());
                    }
                }
                identity.drive
            }
            // An empty folder takes the place of a drive that is gone.
            None => {
                let id = match place_of(&drive, notes, &own, &taken).await? {
                    Ok(id) => id,
                    Err(why) => {
                        omitted.note(name, &why);
                        continue;
                    }
                };
                taken.insert(id);
                renewed.note(id, name, &"its folder is empty");
                empty.push((id, drive.clone()));
                id
            }
        };
        opening.push((id, drive));
    }
    renewed.check_survivors(map)?;
    for drive in forgetful {
        begin_anew(&drive, env).await?;
    }
    for (id, NodeDrive { name, disk, .. }) in empty {
        tracing::warn!(name, drive = %id, "an empty folder replaces a missing drive");
        let formatted = Identity::format_as(&disk, env, map.cluster, id).await;
        formatted.map_err(|error| NodeError::Drive(format!("{name}: {error}")))?;
    }
    Ok((opening, renewed))
}

/// The identities that the folders have. Two of one are refused: which of them is the drive cannot be told.
fn refuse_doubles(found: &[FoundDrive]) -> Result<BTreeSet<DriveId>, NodeError> {
    let mut names: BTreeMap<DriveId, &str> = BTreeMap::new();
    for FoundDrive { drive, identity } in found {
        let Some(identity) = identity else { continue };
        if let Some(other) = names.insert(identity.drive, &drive.name).filter(|_| !mutant!(TakeTwoOfOneIdentity)) {
            let both = format!("{other} and {}: both say that they are drive {}", drive.name, identity.drive);
            return Err(NodeError::Drive(format!("{both}; one is a copy: take it away")));
        }
    }
    Ok(names.into_keys().collect())
}

/// The drive whose place an empty folder takes.
async fn place_of(
    drive: &NodeDrive,
    notes: &DriveNotes,
    own: &BTreeSet<DriveId>,
    taken: &BTreeSet<DriveId>,
) -> Result<Result<DriveId, LeftOut>, NodeError> {
    if let Some(remains) = remains(drive).await? {
        return Ok(Err(LeftOut::NotEmpty(remains)));
    }
    let file_system = drive.disk.file_system().await?;
    Ok(notes.check_mounted(&drive.name, file_system).and_then(|()| notes.place_of(&drive.name, own, taken)))
}

/// How a drive comes back as far as its identity says: what its log says is seen when it is opened.
fn about_to_start(identity: &Identity, known: &StoredDrive) -> DriveStart {
    let Identity { boots, incarnation, .. } = *identity;
    let (boots, start) = (boots.saturating_add(1), known.start.wrapping_add(1));
    DriveStart { boots, incarnation, start, log_end: known.log_end }
}

/// How it is known by its identity that a drive has forgotten its past.
fn how_it_forgot(identity: &Identity, known: &StoredDrive) -> String {
    match known.incarnation == Some(identity.incarnation) {
        true => format!(
            "it was put back to an earlier state: it was started {} times, and the cluster map knows of {}",
            identity.boots, known.boots
        ),
        false => "it was formatted anew, or begun anew after it had lost something".to_owned(),
    }
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
