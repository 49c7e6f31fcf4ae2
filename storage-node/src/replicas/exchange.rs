//! Members of the groups that are led here, changed until they are those that the map wants.
//!
//! Promises: each change goes by what is committed just then, and is made only if that is still so; a group whose
//! change takes long holds up no other for more than a while.
//! Must not know: which step is the next, where replicas go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use couronne_cluster::map::{CommittedMembers, MapRange, ReplicaId};
use couronne_cluster::report::GroupReport;
use couronne_ring::DriveId;
use tokio::time::timeout;

use super::next_step::{GroupSnapshot, Step, next_step};
use super::{RangeServer, Replicas};
use crate::consensus::types::{Members, Position};

/// How long one change may take before other groups have their turn. Its end is seen in a later round.
const CHANGE_WAIT: Duration = Duration::from_secs(10);

/// How many changes of a group follow each other in one round.
const CHANGES_MAX: usize = 16;

impl Replicas {
    /// Takes the next steps of a group that is led here.
    pub(super) async fn exchange_members(&self, leader: &RangeServer) {
        for _ in 0..CHANGES_MAX {
            if !self.take_step(leader).await {
                return;
            }
        }
    }

    /// Takes the next step of a group that is led here; whether it was taken.
    async fn take_step(&self, leader: &RangeServer) -> bool {
        let (id, map) = (leader.descriptor().id, self.map.state());
        let Some(MapRange { replicas: wanted, .. }) = map.range(id).filter(|_| leader.is_ready()) else { return false };
        let Some(group) = leader.consensus().settled_members() else { return false };
        let serves = |(_, drive): &(&ReplicaId, &DriveId)| self.serves(leader, **drive);
        let serving: BTreeSet<ReplicaId> = wanted.iter().filter(serves).map(|(replica, _)| *replica).collect();
        let step = next_step(&GroupSnapshot {
            members: &group.members,
            wanted,
            leader: leader.replica(),
            heard: &group.heard,
            caught_up: &group.caught_up,
            serving: &serving,
        });
        match step {
            None => false,
            Some(Step::GiveWay(to)) => {
                tracing::info!(range = id.0, %to, "the leader is to be no member any more: it gives way");
                leader.consensus().transfer_leadership(&BTreeSet::from([to]), u64::MAX).await;
                false
            }
            Some(Step::Change(change)) => {
                tracing::info!(range = id.0, ?change, "changing members");
                match timeout(CHANGE_WAIT, leader.consensus().change_members(group.set_at, change)).await {
                    Ok(Ok(())) => true,
                    Ok(Err(error)) => {
                        tracing::warn!(range = id.0, %error, "members are changed later");
                        false
                    }
                    Err(_) => {
                        tracing::warn!(range = id.0, "a change of members takes long");
                        false
                    }
                }
            }
        }
    }

    /// Whether a drive serves, so that a replica on it can follow: here, if that runs; elsewhere by the map.
    fn serves(&self, leader: &RangeServer, drive: DriveId) -> bool {
        match self.map.state().drives.get(&drive) {
            Some(known) if known.node == self.id => {
                let is_well = self.drives.find(drive).is_some_and(|drive| drive.is_well());
                is_well && self.servers.read().contains_key(&(leader.descriptor().id, drive))
            }
            Some(known) => known.down_since_ms.is_none(),
            None => false,
        }
    }

    /// The members of the groups that are led here, where the map known here has earlier ones.
    pub(crate) fn group_reports(&self) -> Vec<GroupReport> {
        let map = self.map.state();
        let report = |leader: &Arc<RangeServer>| {
            let range = map.range(leader.descriptor().id)?;
            let (set_at, members) = leader.consensus().committed_members()?;
            let is_known = range.members.as_ref().is_some_and(|known| known.index >= set_at.index);
            (!is_known).then(|| GroupReport { range: range.id, members: committed(set_at, &members) })
        };
        self.all_leaders().iter().filter(|leader| leader.is_ready()).filter_map(report).collect()
    }
}

/// Members as reports carry them.
fn committed(set_at: Position, members: &Members) -> CommittedMembers {
    let placed = |set: &BTreeSet<ReplicaId>| -> BTreeMap<ReplicaId, DriveId> {
        set.iter().filter_map(|replica| Some((*replica, *members.places.get(replica)?))).collect()
    };
    let (voters, earlier) =
        members.voters.split_last().map_or((BTreeMap::new(), &[][..]), |(last, earlier)| (placed(last), earlier));
    let earlier_voters = earlier.first().map_or(BTreeMap::new(), placed);
    let is_learner = |(replica, _): &(&ReplicaId, &DriveId)| !members.voters.iter().any(|set| set.contains(*replica));
    let learners = members.places.iter().filter(is_learner).map(|(replica, drive)| (*replica, *drive)).collect();
    CommittedMembers { index: set_at.index, voters, earlier_voters, learners }
}
