//! What a node says of its replicas.
//!
//! Must not know: how it is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use couronne_cluster::map::{MapRange, ReplicaId};
use couronne_metadata::ids::{BucketId, RangeId};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::RangeFacts;
use couronne_protocol::range::{QueryRequest, RangeAddress};
use couronne_ring::DriveId;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::{RangeServer, Replicas};

/// How long a leader may take to say how its range is.
const FACTS_WAIT: Duration = Duration::from_millis(500);

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
    /// Whether its group has no members but the replicas that it is to have, all of them with a vote.
    pub is_settled: bool,
    /// The drives of the voters that serve.
    pub serving: Vec<DriveId>,
    /// The drive of the replica that leads.
    pub leader: Option<DriveId>,
    /// What the leader says of the range, if it is here and sure that it leads.
    pub facts: Option<LeaderFacts>,
}

impl RangeStatus {
    /// A range of which the map alone is known, and that is to have so many replicas.
    pub fn unseen(range: &MapRange, wanted: usize) -> Self {
        let voters: BTreeSet<DriveId> = range.voter_sets().into_iter().flat_map(BTreeMap::values).copied().collect();
        Self {
            id: range.id,
            replicas: range.replicas.values().copied().collect(),
            voters: voters.into_iter().collect(),
            wanted,
            is_settled: range.is_settled(),
            serving: Vec::new(),
            leader: None,
            facts: None,
        }
    }
}

/// What the leader of a range says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaderFacts {
    /// The term in which it leads: of two that say something, the later one counts.
    pub term: u64,
    /// What its rows say.
    pub rows: RangeFacts,
    /// When the last comparison of its replicas ended in which all voters were found alike in every row, in
    /// milliseconds since 1970; unset: none has.
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

    /// Whether all replicas that the map has on a drive here serve, and have votes in groups that are what they ought to be.
    pub(crate) fn are_voters(&self, drive: DriveId) -> bool {
        let (map, servers) = (self.map.state(), self.servers.read());
        let is_voter = |range: &MapRange| {
            let server = servers.get(&(range.id, drive));
            let serves = |server: &Arc<RangeServer>| {
                range.replicas.contains_key(&server.replica()) && server.consensus().is_whole()
            };
            range.is_settled() && server.is_some_and(serves)
        };
        map.all_ranges().filter(|range| range.replicas.values().any(|place| *place == drive)).all(is_voter)
    }

    /// All ranges, as they are seen here. A leader that cannot be sure of it in time says nothing.
    pub(crate) async fn range_status(&self) -> Vec<RangeStatus> {
        let facts = self.all_leaders().into_iter().map(|leader| async move {
            let facts = timeout(FACTS_WAIT, facts_of(&leader)).await.ok()??;
            Some((leader.descriptor().id, facts))
        });
        let facts: BTreeMap<RangeId, LeaderFacts> = join_all(facts).await.into_iter().flatten().collect();
        self.seen_ranges(&facts)
    }

    fn seen_ranges(&self, facts: &BTreeMap<RangeId, LeaderFacts>) -> Vec<RangeStatus> {
        let (map, servers) = (self.map.state(), self.servers.read());
        let wanted = map.metadata_replicas();
        let range_status = |range: &MapRange| {
            let here = || servers.range((range.id, DriveId(0))..=(range.id, DriveId(u128::MAX)));
            let leader = here().find(|(_, server)| server.consensus().leadership().is_some());
            let serves = |(_, server): &(&(RangeId, DriveId), &Arc<RangeServer>)| {
                range.is_voter(server.replica()) && server.consensus().is_whole()
            };
            RangeStatus {
                serving: here().filter(serves).map(|((_, drive), _)| *drive).collect(),
                leader: leader.map(|((_, drive), _)| *drive),
                facts: facts.get(&range.id).copied().filter(|_| leader.is_some()),
                ..RangeStatus::unseen(range, wanted)
            }
        };
        map.all_ranges().map(range_status).collect()
    }
}

/// What a leader says of its range, from two rows: nothing is gone through.
async fn facts_of(leader: &RangeServer) -> Option<LeaderFacts> {
    let (descriptor, term) = (leader.descriptor(), leader.consensus().leadership()?.term);
    let address = RangeAddress { range: descriptor.id, generation: descriptor.generation, replica: leader.drive() };
    let request = QueryRequest { bucket: BucketId::SYSTEM, rules_version: None, query: Query::Facts };
    match leader.query(address, request).await {
        Ok(Answer::Facts(rows)) => {
            let scrub = leader.state_machine().scrub();
            let (stores_scrubbed_ms, stores_unresolved_ms) = (scrub.ended_ms, scrub.unresolved_ms);
            Some(LeaderFacts { term, rows, stores_scrubbed_ms, stores_unresolved_ms })
        }
        _ => None,
    }
}
