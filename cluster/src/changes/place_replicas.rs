//! Where replicas go when their drives are lost, and when drives are back: repair of metadata, as the leader of the
//! meta group orders it. The groups follow, one member after another.
//!
//! A replica on a lost drive goes to another failure domain, or if all have one to another drive of a node that lives,
//! as long as no node then holds half the replicas or, where there are few nodes, more than its share. Where there is
//! no such drive the range is to have fewer replicas, one less at a time, but always one more than the losses that it
//! must survive. It grows again as drives are back, and two replicas that had to share a node part once another is
//! free.
//! Promises: pure; a range that nobody leads, or whose group was never heard of, stays as it is; a replica that is to
//! go is leaving, and runs until its group is without it; it is wanted again if its drive is back and no other has
//! taken its place.
//! Must not know: how members are exchanged.

use std::collections::{BTreeMap, BTreeSet};

use couronne_base::mutant;
use couronne_metadata::ids::RangeId;
use couronne_placement::replica_beside;
use couronne_ring::{DriveId, NodeId, RingDrive};

use crate::map::{ClusterMap, MapRange, ReplicaId};

/// A replica that got another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its range.
    pub range: RangeId,
    /// Where it was; unset: the range grows.
    pub from: Option<DriveId>,
    /// Where it is to be; unset: the range shrinks.
    pub to: Option<DriveId>,
}

/// Gives replicas of lost drives other places, and lets ranges grow again, as of `now_ms` (since 1970) with a grace of
/// `grace_ms`. Only ranges that are `led`.
pub fn place_replicas(map: &mut ClusterMap, led: impl Fn(RangeId) -> bool, now_ms: u64, grace_ms: u64) -> Vec<Placed> {
    let mut placer = Placer::new(map, now_ms, grace_ms);
    let mut placed = Vec::new();
    let ids: Vec<RangeId> = map.all_ranges().map(|range| range.id).filter(|id| led(*id)).collect();
    for id in ids {
        let next_replica = &mut map.next_replica;
        let mut ranges = std::iter::once(&mut map.meta_group).chain(&mut map.ranges);
        let Some(range) = ranges.find(|range| range.id == id) else { continue };
        if !range.initial_voters.is_empty() || range.members.is_none() {
            continue;
        }
        let mut new_replica = || {
            let id = ReplicaId(*next_replica);
            *next_replica += 1;
            id
        };
        placer.move_lost(range, &mut new_replica, &mut placed);
        placer.grow(range, &mut new_replica, &mut placed);
        placer.part(range, &mut new_replica, &mut placed);
    }
    placed
}

/// What is known of the drives.
struct Placer {
    drives: Vec<RingDrive>,
    node_of: BTreeMap<DriveId, NodeId>,
    /// The drives on which data lies.
    in_rings: BTreeSet<DriveId>,
    lost: BTreeSet<DriveId>,
    writable: BTreeSet<DriveId>,
    up: BTreeSet<DriveId>,
    /// How many nodes have drives.
    nodes: usize,
    /// How many replicas each drive has.
    load: BTreeMap<DriveId, u32>,
    /// How many replicas a range is to have, and how many at least.
    most: usize,
    fewest: usize,
    /// Whether the cluster is formed: before that the meta group stays as large as it is to be.
    is_formed: bool,
}

impl Placer {
    fn new(map: &ClusterMap, now_ms: u64, grace_ms: u64) -> Self {
        let drives = map.ring_drives();
        let known = |id: &DriveId| map.drives.get(id);
        let is_lost = |id: &DriveId| known(id).is_none_or(|drive| map.is_lost_at(drive, now_ms, grace_ms));
        let mut load: BTreeMap<DriveId, u32> = BTreeMap::new();
        map.all_ranges().flat_map(|range| range.replicas.values()).for_each(|id| *load.entry(*id).or_default() += 1);
        let rings = map.policies.values().filter_map(|policy| policy.ring.as_deref());
        let nodes: BTreeSet<NodeId> =
            drives.iter().filter(|drive| drive.is_eligible()).map(|drive| drive.node).collect();
        Self {
            nodes: nodes.len(),
            node_of: drives.iter().map(|drive| (drive.id, drive.node)).collect(),
            in_rings: rings.flat_map(|ring| ring.all_drives().map(|(drive, _)| drive.id)).collect(),
            lost: load.keys().copied().filter(|id| is_lost(id)).collect(),
            writable: map.drives.iter().filter(|(_, drive)| drive.state().is_writable()).map(|(id, _)| *id).collect(),
            up: map.drives.iter().filter(|(_, drive)| drive.state().is_up()).map(|(id, _)| *id).collect(),
            drives,
            load,
            most: map.metadata_replicas(),
            fewest: map.metadata_losses() + 1,
            is_formed: map.bootstrap.is_none(),
        }
    }

    /// Gives replicas on lost drives other places. Where there is none, the range does without one of them, once its
    /// group is what it ought to be.
    fn move_lost(
        &mut self,
        range: &mut MapRange,
        new_replica: &mut impl FnMut() -> ReplicaId,
        placed: &mut Vec<Placed>,
    ) {
        let on_lost =
            |(replica, drive): (&ReplicaId, &DriveId)| self.lost.contains(drive).then_some((*replica, *drive));
        let lost: Vec<(ReplicaId, DriveId)> = range.replicas.iter().filter_map(on_lost).collect();
        if mutant!(LeaveOnLostDrive) {
            return;
        }
        let may_shrink = self.is_formed && range.is_settled();
        let mut has_shrunk = false;
        for (replica, drive) in lost {
            let by = self.another(range, Some(replica), new_replica);
            if by.is_none() && (!may_shrink || has_shrunk || range.replicas.len() <= self.fewest) {
                continue;
            }
            has_shrunk |= by.is_none();
            self.displace(range, Some(replica), by);
            placed.push(Placed { range: range.id, from: Some(drive), to: by.map(|(_, to)| to) });
        }
    }

    /// Lets a range grow to what it is to have.
    fn grow(&mut self, range: &mut MapRange, new_replica: &mut impl FnMut() -> ReplicaId, placed: &mut Vec<Placed>) {
        while self.is_formed && range.replicas.len() < self.most {
            let Some(another) = self.another(range, None, new_replica) else { return };
            self.displace(range, None, Some(another));
            placed.push(Placed { range: range.id, from: None, to: Some(another.1) });
        }
    }

    /// Parts two replicas that share a node if another node on which data lies has none.
    fn part(&mut self, range: &mut MapRange, new_replica: &mut impl FnMut() -> ReplicaId, placed: &mut Vec<Placed>) {
        if !self.is_formed || !range.is_settled() || range.replicas.values().any(|drive| !self.up.contains(drive)) {
            return;
        }
        let on_node =
            |node: &NodeId| range.replicas.values().filter(|drive| self.node_of.get(drive) == Some(node)).count();
        let shares =
            |(_, drive): &(&ReplicaId, &DriveId)| self.node_of.get(*drive).is_some_and(|node| on_node(node) > 1);
        let Some((replica, drive)) = range.replicas.iter().rfind(shares).map(|(replica, drive)| (*replica, *drive))
        else {
            return;
        };
        let is_free = |drive: &RingDrive| self.in_rings.contains(&drive.id) && on_node(&drive.node) == 0;
        let Some(to) = self.place_for(range, Some(replica), is_free) else { return };
        self.displace(range, Some(replica), Some((new_replica(), to)));
        placed.push(Placed { range: range.id, from: Some(drive), to: Some(to) });
    }

    /// Has another replica take the place of one that is to go, or either.
    fn displace(&mut self, range: &mut MapRange, replica: Option<ReplicaId>, by: Option<(ReplicaId, DriveId)>) {
        if let Some((replica, drive)) = replica.and_then(|replica| range.replicas.remove_entry(&replica)) {
            range.leaving.insert(replica, drive);
        }
        if let Some((replica, drive)) = by {
            range.leaving.remove(&replica);
            range.replicas.insert(replica, drive);
            *self.load.entry(drive).or_default() += 1;
        }
    }

    /// One more replica of a range, or one in the place of `instead`: one that was leaving and whose drive is back, or
    /// a new one.
    fn another(
        &self,
        range: &MapRange,
        instead: Option<ReplicaId>,
        new_replica: &mut impl FnMut() -> ReplicaId,
    ) -> Option<(ReplicaId, DriveId)> {
        let is_back =
            |(_, drive): &(&ReplicaId, &DriveId)| self.up.contains(*drive) && self.fits(range, instead, **drive);
        let back = range.leaving.iter().find(is_back).map(|(replica, drive)| (*replica, *drive));
        back.or_else(|| self.place_for(range, instead, |_| true).map(|drive| (new_replica(), drive)))
    }

    /// A drive for one more replica of a range, or for one in the place of `instead`.
    fn place_for(
        &self,
        range: &MapRange,
        instead: Option<ReplicaId>,
        allowed: impl Fn(&RingDrive) -> bool,
    ) -> Option<DriveId> {
        let kept: Vec<DriveId> = self.kept(range, instead).collect();
        let is_used = |id: DriveId| range.places().any(|(_, drive)| drive == id);
        let load = |id: DriveId| self.load.get(&id).copied().unwrap_or(0);
        replica_beside(&self.drives, &kept, range.id.0, load, |drive| {
            let serves = self.writable.contains(&drive.id) && !is_used(drive.id);
            serves && self.fits(range, instead, drive.id) && allowed(drive)
        })
    }

    /// The drives of the replicas that stay when one more comes, or one in the place of `instead`.
    fn kept<'a>(&'a self, range: &'a MapRange, instead: Option<ReplicaId>) -> impl Iterator<Item = DriveId> + 'a {
        let stays = range.replicas.iter().filter(move |(replica, _)| Some(**replica) != instead);
        stays.map(|(_, drive)| *drive).filter(|drive| !self.lost.contains(drive))
    }

    /// Whether one more replica may be on a drive: its node has none of those that stay, or has less than half of all
    /// then, or no more than its share.
    fn fits(&self, range: &MapRange, instead: Option<ReplicaId>, drive: DriveId) -> bool {
        let Some(node) = self.node_of.get(&drive) else { return false };
        let there = self.kept(range, instead).filter(|kept| self.node_of.get(kept) == Some(node)).count();
        let all = range.replicas.len() + usize::from(instead.is_none());
        there == 0 || (there + 1) * 2 < all || there < all.div_ceil(self.nodes.max(1))
    }
}
