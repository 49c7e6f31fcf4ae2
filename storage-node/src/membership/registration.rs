//! Registering a node's drives in the map at its start, or when one was replaced.
//!
//! Promises: a drive that forgot its past gets new replicas before any of them acts.
//! Must not know: how drives were mounted.

use std::sync::Arc;

use couronne_cluster::changes::{self, StartedDrive};
use couronne_ring::DriveId;

use super::Membership;
use crate::drives::MountedDrive;
use crate::error::NodeError;

impl Membership {
    /// Tells the map that this node's drives are here, and how often each was started. Those that forgot
    /// their past are noted as emptied and get new replicas: the map known here names these when this returns.
    pub(crate) async fn register(&self, forgetful: &[DriveId]) -> Result<(), NodeError> {
        let drives = self.drives.by_id();
        let started = |(id, mounted): (&DriveId, &Arc<MountedDrive>)| StartedDrive {
            drive: *id,
            start: mounted.drive_start(),
            writes: mounted.writes(),
        };
        let serving = drives.iter().filter(|(_, mounted)| mounted.down().is_none());
        let started: Vec<StartedDrive> = serving.map(started).collect();
        let registering = self.map_store.update(|map| {
            for (drive, replica) in changes::register(map, &started, forgetful)? {
                tracing::warn!(%drive, %replica, "replica is given up: its drive forgot its past");
            }
            Ok(true)
        });
        registering.await.map(drop)
    }
}
