//! Drives whose stores rotted, whose segments went or whose log found no space while they served, or whose stores could not
//! be opened at the start: they are mounted again, and begin with what is sound.
//!
//! Promises: a drive begins with no rows only if most of the voters of each of its ranges are elsewhere and up; else it
//! serves what can be read, or is left out, and what is missing is named. While its stores can be opened its replicas are
//! given up in the map first, so that of several such drives each counts those before it. Stores that were set aside go only
//! once the drive's replicas are whole again. No other drive waits.
//! Must not know: how stores rot, folders.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couronne_base::mutant;
use couronne_cluster::changes;
use couronne_cluster::map::{ClusterMap, LogEnd};
use couronne_ring::DriveId;
use tokio::time::sleep;

use super::Membership;
use crate::drives::{self, ForgetfulDrives, MountedDrive, NodeDrive, OnFailure, Reopen};
use crate::error::NodeError;
use crate::rounds::Rounds;

/// How often is looked for drives to be mounted again.
const ROUND: Duration = Duration::from_secs(2);

/// The pause before a drive that could not be registered is so again.
const REGISTER_AGAIN: Duration = Duration::from_secs(1);

/// Mounts drives again whose stores rotted.
#[derive(Default)]
pub(super) struct Remounting {
    /// Drives that were let go of, and up to where their logs were durable.
    waiting: BTreeMap<DriveId, (Reopen, LogEnd)>,
    /// Drives of which was said why they wait, so that it is said once.
    told: BTreeSet<DriveId>,
}

#[async_trait]
impl Rounds for Remounting {
    type Of = Membership;

    fn rest(&self, _: &Membership) -> Duration {
        ROUND
    }

    async fn round(&mut self, membership: &Arc<Membership>) -> bool {
        for drive in membership.drives.mounted() {
            self.look_at(membership, &drive).await;
        }
        for (id, (reopen, end)) in std::mem::take(&mut self.waiting) {
            if membership.drives.find(id).is_some() {
                // An operator has another one in its place.
                continue;
            }
            if membership.drives.is_in_use(id) {
                self.waiting.insert(id, (reopen, end));
                continue;
            }
            if let Err(error) = membership.mount_again(id, &reopen, end).await {
                if self.told.insert(id) {
                    tracing::error!(drive = %id, %error, "a drive is not mounted again yet");
                }
                if membership.drives.find(id).is_none() {
                    self.waiting.insert(id, (reopen, end));
                }
            }
        }
        true
    }
}

impl Remounting {
    async fn look_at(&mut self, membership: &Membership, drive: &Arc<MountedDrive>) {
        if drive.down().is_none() && drive.is_rotten() {
            match membership.give_up_rows(drive.id).await {
                Ok(needed) if needed.is_empty() => {
                    membership.replicas.drive_failed(drive, "its stores are rotten: it begins with none").await;
                }
                Ok(needed) if self.told.insert(drive.id) => {
                    let name = &drive.name;
                    tracing::error!(drive = name, ranges = ?needed, "rotten stores stay: too few others have the rows");
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(drive = drive.name, %error, "rotten stores stay for now"),
            }
        }
        if drive.down().is_some()
            && drive.wants_remount()
            && let Some(reopen) = drive.reopen.clone()
        {
            tracing::warn!(drive = drive.name, id = %drive.id, "a drive is mounted again: rotten stores, lost segments, or no space");
            self.told.remove(&drive.id);
            self.waiting.insert(drive.id, (reopen, drive.log_end().end));
            membership.drives.release(drive);
        }
        if drive.down().is_none() && membership.replicas.are_voters(drive.id) {
            drive.drop_set_aside().await;
        }
    }
}

/// The ranges that cannot do without the rows on a drive of which others are as the map says.
fn needed(map: &ClusterMap, drive: DriveId) -> Vec<u64> {
    if mutant!(BeginNeededAnew) {
        return Vec::new();
    }
    let away = map.drives.iter().filter(|(_, known)| known.down_since_ms.is_some()).map(|(id, _)| *id).collect();
    changes::ranges_in_need(map, &BTreeSet::from([drive]), &away).into_iter().map(|range| range.0).collect()
}

impl Membership {
    /// Mounts a drive again whose files nobody uses any more, with no rows if these are rotten and others have them.
    async fn mount_again(self: &Arc<Self>, id: DriveId, reopen: &Reopen, end: LogEnd) -> Result<(), NodeError> {
        let drive = reopen.open().await?;
        self.begin_stores_anew(&drive, id).await?;
        let mount = || drives::mount(&self.env, self.map().cluster, &drive, end);
        let mounted = match mount().await {
            Err(NodeError::RottenStores { what, .. }) => {
                drives::begin_stores_anew(&drive, &what, &needed(&self.map(), id)).await?;
                mount().await?
            }
            mounted => mounted?,
        };
        let mounted = Arc::new(mounted);
        self.drives.forget_release(id);
        self.drives.add(Arc::clone(&mounted));
        self.watch_drive(&mounted);
        tracing::warn!(drive = %id, name = drive.name, "a drive is mounted again");
        self.replicas.open_meta_group(&[]).await?;
        while let Err(error) = self.register(&ForgetfulDrives::default()).await {
            tracing::warn!(drive = %id, %error, "a drive that is mounted again is not registered yet");
            sleep(REGISTER_AGAIN).await;
        }
        self.replicas.forget_unnamed().await;
        self.replicas.open_assigned(&*self.map_store).await
    }

    async fn begin_stores_anew(&self, drive: &NodeDrive, id: DriveId) -> Result<(), NodeError> {
        let Some(rot) = drive.stores.rot() else { return Ok(()) };
        let map = self.map();
        let needed = needed(&map, id);
        // What can be opened is given up only while it serves.
        let is_kept = drive.stores.is_open() && changes::has_votes(&map, id);
        if is_kept || (drive.stores.is_open() && !needed.is_empty()) {
            drives::keep_rotten_stores(drive, &rot, &needed);
            return Ok(());
        }
        drives::begin_stores_anew(drive, &rot, &needed).await
    }

    /// Gives up the replicas on a drive whose rows are rotten, if every group can do without its votes by the newest map.
    /// The ranges that cannot; then nothing changes.
    async fn give_up_rows(&self, drive: DriveId) -> Result<Vec<u64>, NodeError> {
        let mut in_need = Vec::new();
        let give_up = |map: &mut ClusterMap| {
            in_need = needed(map, drive);
            let gives_up = in_need.is_empty() && changes::has_votes(map, drive);
            if gives_up {
                changes::renew_drive(map, drive);
            }
            Ok(gives_up)
        };
        self.map_store.update(give_up).await?;
        Ok(in_need)
    }
}
