//! Whether a range's group is what it ought to be, and whether it keeps its quorum.
//!
//! Promises: a range keeps its quorum only by the voters that a quorum has committed; one that the map does not name any
//! more, because its drive forgot its past, is gone.
//! Must not know: logs, how members are changed.

use std::collections::{BTreeMap, BTreeSet};

use couronne_base::mutant;
use couronne_ring::DriveId;

use super::{MapRange, ReplicaId};

impl MapRange {
    /// The sets of voters of each of which most must agree: as committed, or the replicas while no leader said so.
    pub fn voter_sets(&self) -> Vec<&BTreeMap<ReplicaId, DriveId>> {
        match &self.members {
            Some(members) if !mutant!(CountUnpromoted) => members.voter_sets().collect(),
            _ => vec![&self.replicas],
        }
    }

    /// Whether a replica has a vote, as far as it is known.
    pub fn is_voter(&self, replica: ReplicaId) -> bool {
        self.voter_sets().iter().any(|set| set.contains_key(&replica))
    }

    /// How many voters the map does not name any more, because their drives forgot their past.
    pub fn unnamed_voters(&self) -> usize {
        let is_named = |replica| self.replicas.contains_key(replica) || self.leaving.contains_key(replica);
        let voters: BTreeSet<&ReplicaId> = self.voter_sets().into_iter().flat_map(BTreeMap::keys).collect();
        voters.into_iter().filter(|replica| !is_named(*replica)).count()
    }

    /// Whether the group is what it ought to be: its voters are the replicas, and it has no other member.
    pub fn is_settled(&self) -> bool {
        self.members.as_ref().is_some_and(|members| {
            members.voters == self.replicas && members.earlier_voters.is_empty() && members.learners.is_empty()
        })
    }

    /// Whether most of the voters remain without the replicas that are `gone`. A voter that the map does not name is
    /// gone: its drive forgot its past.
    pub fn keeps_quorum(&self, gone: impl Fn(ReplicaId, DriveId) -> bool) -> bool {
        let remains = |replica: ReplicaId| {
            let drive = self.replicas.get(&replica).or_else(|| self.leaving.get(&replica));
            drive.is_some_and(|drive| !gone(replica, *drive))
        };
        let remaining = |set: &BTreeMap<ReplicaId, DriveId>| set.keys().filter(|replica| remains(**replica)).count();
        self.voter_sets().into_iter().all(|set| remaining(set) * 2 > set.len())
    }
}
