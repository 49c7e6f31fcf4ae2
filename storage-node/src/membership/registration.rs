//! Registering a node's drives in the map at its start, or when one was replaced.
//!
//! Promises: a drive that forgot its past gets new replicas before any of them acts.
//! Must not know: how drives were mounted.

use std::collections::BTreeSet;

use couronne_protocol::map::ReplicaId;
use couronne_ring::DriveId;

use super::Membership;
use crate::drives::check_survivors;
use crate::error::NodeError;

impl Membership {
    /// Tells the map that this node's drives are here, and how often each was started. Those that forgot
    /// their past are noted as emptied and get new replicas; the old ones are returned.
    pub(crate) async fn register(&self, forgetful: &[DriveId]) -> Result<Vec<(DriveId, ReplicaId)>, NodeError> {
        let drives = self.drives.by_id();
        let mut gone = Vec::new();
        let now_ms = self.env.clock.wall_ms();
        self.map_store
            .update(|map| {
                gone.clear();
                let mut forgot: BTreeSet<DriveId> = forgetful.iter().copied().collect();
                for (id, mounted) in drives.iter().filter(|(_, mounted)| mounted.down().is_none()) {
                    let Some(drive) = map.drives.get_mut(id) else { continue };
                    let identity = mounted.shards.identity();
                    if identity.forgot(drive) {
                        forgot.insert(*id);
                    }
                    (drive.boots, drive.incarnation) = (identity.boots, identity.incarnation);
                    (drive.down_since_ms, drive.intake) = (None, mounted.intake());
                }
                check_survivors(map, &forgot)?;
                for drive in forgot {
                    if let Some(emptied) = map.drives.get_mut(&drive).map(|drive| &mut drive.emptied) {
                        emptied.times = emptied.times.saturating_add(1);
                        emptied.last_ms = now_ms;
                    }
                    gone.extend(map.renew_replicas(drive).into_iter().map(|replica| (drive, replica)));
                }
                Ok(true)
            })
            .await?;
        Ok(gone)
    }
}
