//! What a node says of its replicas.
//!
//! Must not know: how it is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use couronne_cluster::map::{MapRange, ReplicaId};
use couronne_metadata::ids::RangeId;
use couronne_ring::DriveId;

use super::{RangeServer, Replicas};

/// A range.
#[derive(Clone, Debug)]
pub struct RangeStatus {
    /// The range; the meta group's is the first.
    pub id: RangeId,
    /// The drives its replicas are to live on.
    pub replicas: Vec<DriveId>,
    /// The drives of the replicas that have a vote.
    pub voters: Vec<DriveId>,
    /// How many replicas it is to have by the policies.
    pub wanted: usize,
    /// The drives of the voters that serve.
    pub serving: Vec<DriveId>,
    /// The drive of the replica that leads.
    pub leader: Option<DriveId>,
    /// When the last comparison of its replicas ended in which all voters were found alike in every row, in
    /// milliseconds since 1970; unset: none has, or it is not led here.
    pub stores_scrubbed_ms: Option<u64>,
    /// When rows were found that differ or cannot be read and of which no majority tells what they are, likewise; unset:
    /// the last comparison found none.
    pub stores_unresolved_ms: Option<u64>,
}

impl Replicas {
    /// Whether every range has all its replicas here as voters.
    pub(crate) fn are_whole(&self) -> bool {
        let leaders = self.all_leaders();
        self.map.state().all_ranges().all(|range| {
            let voters: BTreeSet<ReplicaId> = range.replicas.keys().copied().collect();
            let leader = leaders.iter().find(|leader| leader.descriptor().id == range.id);
            let serving = range.replicas.values().all(|drive| self.servers.read().contains_key(&(range.id, *drive)));
            let committed = leader.and_then(|leader| leader.consensus().committed_members());
            serving && committed.is_some_and(|(_, members)| members.voters == [voters])
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

    /// All ranges, as they are seen here.
    pub(crate) fn range_status(&self) -> Vec<RangeStatus> {
        let (map, servers) = (self.map.state(), self.servers.read());
        let wanted = map.metadata_replicas();
        let range_status = |range: &MapRange| {
            let here = || servers.range((range.id, DriveId(0))..=(range.id, DriveId(u128::MAX)));
            let leader = here().find(|(_, server)| server.consensus().leadership().is_some());
            let serves = |(_, server): &(&(RangeId, DriveId), &Arc<RangeServer>)| {
                range.is_voter(server.replica()) && server.consensus().is_whole()
            };
            let voters: BTreeSet<DriveId> =
                range.voter_sets().into_iter().flat_map(BTreeMap::values).copied().collect();
            let scrub = leader.map(|(_, server)| server.state_machine().scrub()).unwrap_or_default();
            RangeStatus {
                id: range.id,
                replicas: range.replicas.values().copied().collect(),
                voters: voters.into_iter().collect(),
                wanted,
                serving: here().filter(serves).map(|((_, drive), _)| *drive).collect(),
                leader: leader.map(|((_, drive), _)| *drive),
                stores_scrubbed_ms: scrub.ended_ms,
                stores_unresolved_ms: scrub.unresolved_ms,
            }
        };
        map.all_ranges().map(range_status).collect()
    }
}
