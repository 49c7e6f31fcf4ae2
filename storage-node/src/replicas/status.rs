//! What a node says of its replicas.
//!
//! Must not know: how it is shown.

use std::collections::BTreeSet;

use couronne_cluster::map::{MapRange, ReplicaId};
use couronne_metadata::ids::RangeId;
use couronne_ring::DriveId;

use super::Replicas;

/// A range.
#[derive(Clone, Debug)]
pub struct RangeStatus {
    /// The range.
    pub id: RangeId,
    /// The drives its replicas live on.
    pub replicas: Vec<DriveId>,
    /// The drives of the replicas that serve.
    pub serving: Vec<DriveId>,
    /// The drive of the replica that leads.
    pub leader: Option<DriveId>,
}

impl Replicas {
    /// Whether every range has all its replicas here as voters.
    pub(crate) fn are_whole(&self) -> bool {
        let leaders = self.all_leaders();
        self.map.state().all_ranges().all(|range| {
            let voters: BTreeSet<ReplicaId> = range.replicas.keys().copied().collect();
            let leader = leaders.iter().find(|leader| leader.descriptor().id == range.id);
            let serving = range.replicas.values().all(|drive| self.servers.read().contains_key(&(range.id, *drive)));
            serving && leader.is_some_and(|leader| leader.consensus().committed_members().voters == [voters])
        })
    }

    /// How many replicas of its drives that serve are not to be counted on: they have ended, or a snapshot
    /// replaces their rows.
    pub(crate) fn wanting(&self) -> usize {
        let (map, servers) = (self.map.state(), self.servers.read());
        let serves = |drive: &DriveId| self.drives.find(*drive).is_some_and(|mounted| mounted.down().is_none());
        let is_whole =
            |place: &(RangeId, DriveId)| servers.get(place).is_some_and(|server| server.consensus().is_whole());
        let places = map.all_ranges().flat_map(|range| range.replicas.values().map(|drive| (range.id, *drive)));
        places.filter(|place| serves(&place.1) && !is_whole(place)).count()
    }

    /// The keyspace's ranges, as they are seen here.
    pub(crate) fn range_status(&self) -> Vec<RangeStatus> {
        let (map, servers) = (self.map.state(), self.servers.read());
        let range_status = |range: &MapRange| {
            let replicas: Vec<DriveId> = range.replicas.values().copied().collect();
            let server = |drive: &DriveId| servers.get(&(range.id, *drive));
            let leads = |drive: &&DriveId| server(drive).is_some_and(|s| s.consensus().leadership().is_some());
            let leader = replicas.iter().find(leads).copied();
            let serves = |drive: &&DriveId| server(drive).is_some_and(|server| server.consensus().is_whole());
            let serving = replicas.iter().filter(serves).copied().collect();
            RangeStatus { id: range.id, replicas, serving, leader }
        };
        map.ranges.iter().map(range_status).collect()
    }
}
