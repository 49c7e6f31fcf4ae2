//! The members of a range's group, as its leader reported them: what the group is, beside what it ought to be.
//!
//! Must not know: logs, how members are changed, what the group ought to be.

use std::collections::BTreeMap;

use couronne_ring::DriveId;

use super::ReplicaId;

/// The members of a range's group that a quorum of it has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedMembers {
    /// The index in the group's log of the entry that set them: the later members have the higher one.
    pub index: u64,
    /// The voters, and their drives.
    pub voters: BTreeMap<ReplicaId, DriveId>,
    /// While a change of voters is half done, the voters from before: until it is done, most of both must agree.
    pub earlier_voters: BTreeMap<ReplicaId, DriveId>,
    /// The members without a vote, and their drives.
    pub learners: BTreeMap<ReplicaId, DriveId>,
}

impl CommittedMembers {
    /// The sets of voters of each of which most must agree.
    pub fn voter_sets(&self) -> impl Iterator<Item = &BTreeMap<ReplicaId, DriveId>> {
        [&self.voters, &self.earlier_voters].into_iter().filter(|set| !set.is_empty())
    }

    /// Whether a replica has a vote.
    pub fn is_voter(&self, replica: ReplicaId) -> bool {
        self.voter_sets().any(|set| set.contains_key(&replica))
    }
}
