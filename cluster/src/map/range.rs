//! A range of the map, and its replicas.
//!
//! Must not know: rows, consensus.

use std::collections::BTreeMap;

use bytes::Bytes;
use couronne_metadata::ids::{Generation, RangeId};
use couronne_ring::DriveId;

use super::{CommittedMembers, ReplicaId};
use crate::descriptor::RangeDescriptor;

/// The range that keeps the map itself: a group of its own, not part of the keyspace.
pub const MAP_RANGE: RangeId = RangeId(0);

/// A range and the replicas it should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRange {
    /// The range.
    pub id: RangeId,
    /// How often its interval changed.
    pub generation: Generation,
    /// First position it owns.
    pub start: Bytes,
    /// First position it does not own; empty for the end of the keyspace.
    pub end: Bytes,
    /// The replicas that it ought to have, and their drives.
    pub replicas: BTreeMap<ReplicaId, DriveId>,
    /// Replicas that it ought to have no longer, and that run until their group is without them: they may be needed for
    /// its quorum.
    pub leaving: BTreeMap<ReplicaId, DriveId>,
    /// The members of its group, as the leader last reported them; unset: none did.
    pub members: Option<CommittedMembers>,
    /// The members it begins with; empty once it was led, and then none is ever made anew.
    pub initial_voters: BTreeMap<ReplicaId, DriveId>,
}

impl MapRange {
    /// Whether a replica on a drive may be heard in the range's group: it is wanted, joins, leaves, or began the group.
    pub fn has_member(&self, replica: ReplicaId, drive: DriveId) -> bool {
        let names = |members: &BTreeMap<ReplicaId, DriveId>| members.get(&replica) == Some(&drive);
        names(&self.replicas) || names(&self.leaving) || names(&self.initial_voters)
    }

    /// The drives of the replicas that may be heard in the range's group.
    pub fn member_drives(&self) -> impl Iterator<Item = &DriveId> {
        [&self.replicas, &self.leaving, &self.initial_voters].into_iter().flat_map(BTreeMap::values)
    }

    /// The replicas that run, and their drives.
    pub fn places(&self) -> impl Iterator<Item = (ReplicaId, DriveId)> {
        self.replicas.iter().chain(&self.leaving).map(|(replica, drive)| (*replica, *drive))
    }

    /// The range as gateways know it.
    pub fn descriptor(&self) -> RangeDescriptor {
        RangeDescriptor {
            id: self.id,
            generation: self.generation,
            start: self.start.clone(),
            end: self.end.clone(),
            replicas: self.places().map(|(_, drive)| drive).collect(),
        }
    }
}
