//! The local transport: how replicas of one process reach each other.
//!
//! Promises: a message reaches the replica it names, or the sender is told that it is unreachable;
//! links can be cut, so that tests can partition a range.
//! Must not know: what the messages say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::RwLock;

use super::openraft::Endpoint;
use super::types::ReplicaId;

#[derive(Default)]
struct Links {
    endpoints: BTreeMap<ReplicaId, Endpoint>,
    cut: BTreeSet<(ReplicaId, ReplicaId)>,
}

/// The replicas of this process, by id.
#[derive(Clone, Default)]
pub struct Switchboard {
    links: Arc<RwLock<Links>>,
}

/// Where the way to a replica leads.
pub(super) enum Route {
    /// To a replica of this process.
    Here(Endpoint),
    /// Out of this process, if anywhere.
    Elsewhere,
    /// Nowhere: it was cut.
    Cut,
}

impl Switchboard {
    /// Makes a replica reachable.
    pub(super) fn connect(&self, replica: ReplicaId, endpoint: Endpoint) {
        self.links.write().endpoints.insert(replica, endpoint);
    }

    /// Makes a replica unreachable; returns whether it was reachable.
    pub fn disconnect(&self, replica: ReplicaId) -> bool {
        self.links.write().endpoints.remove(&replica).is_some()
    }

    /// Cuts or mends the way from one replica to another (one direction).
    pub fn cut(&self, from: ReplicaId, to: ReplicaId, cut: bool) {
        let mut links = self.links.write();
        if cut {
            links.cut.insert((from, to));
        } else {
            links.cut.remove(&(from, to));
        }
    }

    /// The way from one replica to another.
    pub(super) fn route(&self, from: ReplicaId, to: ReplicaId) -> Route {
        let links = self.links.read();
        if links.cut.contains(&(from, to)) {
            return Route::Cut;
        }
        links.endpoints.get(&to).map_or(Route::Elsewhere, |endpoint| Route::Here(endpoint.clone()))
    }
}
