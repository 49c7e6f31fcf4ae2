//! The way to replicas of other processes: which node has a drive, and what carries messages there.
//!
//! Must not know: what messages say, the consensus library.

use std::sync::Arc;

use couronne_protocol::map::SharedMap;
use couronne_protocol::transport::Transport;
use couronne_ring::{DriveId, NodeId};

use super::types::ReplicaId;

/// Which node has which drive, and which replicas are members of one range, as the newest map known here says.
pub trait Directory: Send + Sync + 'static {
    /// The node that has a drive.
    fn node_of(&self, drive: DriveId) -> Option<NodeId>;

    /// Whether a replica here may be spoken to by a sender: node, drive and replica.
    fn hears(&self, recipient: ReplicaId, sender: (NodeId, DriveId, ReplicaId)) -> bool;
}

impl Directory for SharedMap {
    fn node_of(&self, drive: DriveId) -> Option<NodeId> {
        Self::node_of(self, drive)
    }

    fn hears(&self, recipient: ReplicaId, sender: (NodeId, DriveId, ReplicaId)) -> bool {
        self.state().hears(recipient, sender)
    }
}

/// The way to replicas of other processes.
#[derive(Clone)]
pub struct Network {
    /// Carries messages.
    pub transport: Arc<dyn Transport>,
    /// Says where to.
    pub directory: Arc<dyn Directory>,
}
