//! The newest map that a process knows, shared by all that look at it there.
//!
//! Promises: the version never goes back. Must not know: where newer maps come from.

use std::sync::Arc;

use arc_swap::ArcSwap;
use couronne_cluster::map::{ClusterMap, MapView};
use couronne_ring::{DriveId, NodeId};

use super::MapSource;
use crate::net::Addresses;
use couronne_base::watch;

/// A process's map.
pub struct SharedMap {
    state: ArcSwap<ClusterMap>,
    view: ArcSwap<MapView>,
    version: watch::Sender<u64>,
}

impl SharedMap {
    /// Begins with this map.
    pub fn new(state: ClusterMap) -> Self {
        let version = watch::channel(state.version).0;
        Self { view: ArcSwap::from_pointee(state.view()), state: ArcSwap::from_pointee(state), version }
    }

    /// The map as its group keeps it.
    pub fn state(&self) -> Arc<ClusterMap> {
        self.state.load_full()
    }

    /// Takes a newer map, seen as `view`; an older one is ignored. Returns whether it was newer.
    pub fn learn(&self, state: ClusterMap, view: MapView) -> bool {
        let version = state.version;
        // The task that learns first under the channel's lock decides: two at once never go back.
        self.version.send_if_modified(|known| {
            let is_newer = version > *known;
            if is_newer {
                *known = version;
                self.state.store(Arc::new(state));
                self.view.store(Arc::new(view));
            }
            is_newer
        })
    }

    /// Shows the same map in another way: what is known here of drives, before the map says it.
    pub fn show(&self, view: MapView) {
        self.view.store(Arc::new(view));
    }

    /// Follows the versions as they come.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Where a process is reached, if the map says it. One that was expelled is not asked any more.
    pub fn address_of(&self, node: NodeId) -> Option<Arc<str>> {
        let state = self.state.load();
        if state.is_expelled(node) {
            return None;
        }
        state.nodes.get(&node).map(|node| Arc::clone(&node.address)).filter(|address| !address.is_empty())
    }

    /// The node that has a drive.
    pub fn node_of(&self, drive: DriveId) -> Option<NodeId> {
        self.state.load().drives.get(&drive).map(|drive| drive.node)
    }
}

impl MapSource for SharedMap {
    fn current(&self) -> Arc<MapView> {
        self.view.load_full()
    }
}

impl Addresses for SharedMap {
    fn address(&self, node: NodeId) -> Option<String> {
        self.address_of(node).map(|address| address.to_string())
    }

    fn serves(&self, node: NodeId) -> bool {
        self.address_of(node).is_some()
    }
}
