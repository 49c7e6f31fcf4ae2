//! The cluster map as a process has it at hand: the newest it knows, and where its peers are by that.
//!
//! Must not know: how the map changes.

mod shared;

use std::sync::Arc;

use couronne_cluster::map::MapView;

pub use shared::SharedMap;

/// Where the current map comes from.
pub trait MapSource: Send + Sync + 'static {
    /// The newest map known here.
    fn current(&self) -> Arc<MapView>;
}
