//! A process of the cluster, as the map has it.
//!
//! Must not know: drives, certificates.

use std::sync::Arc;

use couronne_ring::{RegionName, ZoneName};

use crate::role::Role;

/// A process of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapNode {
    /// Its role.
    pub role: Role,
    /// What operators call it.
    pub name: Arc<str>,
    /// Where its peers reach it, as `host:port`; empty if there are none.
    pub address: Arc<str>,
    /// Its region.
    pub region: RegionName,
    /// Its zone.
    pub zone: ZoneName,
}
