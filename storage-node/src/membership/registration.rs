//! Registering a node's drives in the map at its start, or when one was replaced.
//!
//! Promises: a drive that forgot its past gets new replicas before any of them acts; of two processes that run with copies of
//! one drive's folder the one that registered first is told to end.
//! Must not know: how drives were mounted.

use std::future::pending;
use std::sync::Arc;

use couronne_cluster::changes::{self, StartedDrive};
use couronne_ring::DriveId;

use super::Membership;
use crate::drives::{ForgetfulDrives, MountedDrive};
use crate::error::NodeError;

impl Membership {
    /// Tells the map that this node's drives are here, and how often each was started. Those that forgot
    /// their past are noted as emptied and get new replicas: the map known here names these when this returns.
    pub(crate) async fn register(&self, forgetful: &ForgetfulDrives) -> Result<(), NodeError> {
        let drives = self.drives.by_id();
        let started = |(id, mounted): (&DriveId, &Arc<MountedDrive>)| StartedDrive {
            drive: *id,
            start: mounted.drive_start(),
            writes: mounted.writes(),
            has_lost_segments: mounted.has_lost_segments(),
        };
        let serving = drives.iter().filter(|(_, mounted)| mounted.down().is_none());
        let started: Vec<StartedDrive> = serving.map(started).collect();
        let ids: Vec<DriveId> = forgetful.ids();
        let registering = self.map_store.update(|map| {
            for (drive, replica) in changes::register(map, &started, &ids)? {
                tracing::warn!(%drive, %replica, "replica is given up: its drive forgot its past");
            }
            Ok(true)
        });
        registering.await.map_err(|error| match error {
            NodeError::Change(refused) => forgetful.refusal(refused),
            error => error,
        })?;
        let is_registered = |mounted: &&Arc<MountedDrive>| started.iter().any(|one| one.drive == mounted.id);
        drives.values().filter(is_registered).for_each(|mounted| mounted.note_registered());
        let lost = started.iter().filter(|one| one.has_lost_segments).filter_map(|one| drives.get(&one.drive));
        for mounted in lost {
            tracing::error!(drive = mounted.name, "what the drive's lost segments held is looked for");
            if let Err(error) = mounted.shards.settle_losses().await {
                tracing::warn!(drive = mounted.name, %error, "its next start tells of lost segments again");
            }
        }
        Ok(())
    }

    /// Ready once another process has started one of this node's drives, with the name of that drive's folder: it runs with
    /// a copy of the folder, and is the node from then on.
    pub(crate) async fn superseded(&self) -> String {
        let mut versions = self.map.follow();
        loop {
            let map = self.map.state();
            let is_superseded = |mounted: &Arc<MountedDrive>| {
                map.drives.get(&mounted.id).is_some_and(|known| mounted.is_superseded(known))
            };
            if let Some(mounted) = self.drives.mounted().find(is_superseded) {
                return mounted.name.clone();
            }
            if versions.changed().await.is_err() {
                return pending().await;
            }
        }
    }
}
