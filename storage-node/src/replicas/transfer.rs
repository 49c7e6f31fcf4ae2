//! Transferring leadership to a replica on another drive.
//!
//! Must not know: why.

use std::collections::BTreeSet;

use couronne_cluster::map::ReplicaId;
use couronne_protocol::map::MapSource;
use couronne_ring::DriveId;

use super::{RangeServer, Replicas};

impl Replicas {
    /// Transfers the leadership of a range that is led here to a replica on a drive that takes new data, if there is one.
    pub(crate) async fn transfer_leadership(&self, leader: &RangeServer) {
        let (map, view) = (self.map.state(), self.map.current());
        let Some(range) = map.range(leader.descriptor().id) else { return };
        let takes_data = |drive: &DriveId| view.drive_state(*drive).is_writable();
        let others =
            range.replicas.iter().filter(|(replica, drive)| **replica != leader.replica() && takes_data(drive));
        let others: BTreeSet<ReplicaId> = others.map(|(replica, _)| *replica).collect();
        leader.consensus().transfer_leadership(&others, u64::MAX).await;
    }

    /// Whether another replica is known to lead the range.
    pub(crate) fn is_followed(&self, server: &RangeServer) -> bool {
        server.consensus().leader().is_some_and(|leader| leader != server.replica())
    }
}
