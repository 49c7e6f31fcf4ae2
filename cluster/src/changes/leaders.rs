//! Which voter is to lead each range, so that all nodes lead about as many.
//!
//! Promises: every node that works it out from the same map comes to the same. Must not know: how leadership is
//! transferred.

use std::collections::BTreeMap;

use couronne_metadata::ids::RangeId;
use couronne_ring::{DriveId, NodeId};

use crate::map::{ClusterMap, MapRange, MapView, ReplicaId};

/// Which replica is to lead each range that has one on a drive which takes new shards, by how drives are in `view`.
pub fn wanted_leaders(map: &ClusterMap, view: &MapView) -> BTreeMap<RangeId, ReplicaId> {
    let node_of =
        |drive: &DriveId| view.drives.get(drive).filter(|drive| drive.state.is_writable()).map(|drive| drive.node);
    let voters: Vec<(RangeId, BTreeMap<ReplicaId, DriveId>)> = map.all_ranges().map(wanted_voters).collect();
    spread(voters.iter().map(|(range, voters)| (*range, voters)), node_of)
}

/// The replicas of a range that have a vote.
fn wanted_voters(range: &MapRange) -> (RangeId, BTreeMap<ReplicaId, DriveId>) {
    let votes = |(replica, _): &(&ReplicaId, &DriveId)| range.is_voter(**replica);
    (range.id, range.replicas.iter().filter(votes).map(|(replica, drive)| (*replica, *drive)).collect())
}

/// The replica that is to lead each range: of those on drives that are up, one on the node that leads the fewest of the
/// ranges before it. Of a drive that is up `node_of` says whose it is.
fn spread<'a>(
    ranges: impl Iterator<Item = (RangeId, &'a BTreeMap<ReplicaId, DriveId>)>,
    node_of: impl Fn(&DriveId) -> Option<NodeId>,
) -> BTreeMap<RangeId, ReplicaId> {
    let mut leads: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut wanted = BTreeMap::new();
    for (range, replicas) in ranges {
        let candidates = replicas.iter().filter_map(|(replica, drive)| {
            let node = node_of(drive)?;
            Some((leads.get(&node).copied().unwrap_or(0), *replica, node))
        });
        let Some((count, replica, node)) = candidates.min() else { continue };
        leads.insert(node, count.saturating_add(1));
        wanted.insert(range, replica);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nine ranges of five replicas over six nodes with a drive each; how many each node is to lead.
    fn counts(is_up: impl Fn(u128) -> bool) -> BTreeMap<u128, usize> {
        let place = |range: u64, turn: u64| (ReplicaId(range * 5 + turn), DriveId(u128::from((range + turn) % 6)));
        let ranges: Vec<(RangeId, BTreeMap<ReplicaId, DriveId>)> =
            (0..9).map(|range| (RangeId(range), (0..5).map(|turn| place(range, turn)).collect())).collect();
        let node_of = |drive: &DriveId| is_up(drive.0).then_some(NodeId(drive.0));
        let wanted = spread(ranges.iter().map(|(id, replicas)| (*id, replicas)), node_of);
        let mut counts = BTreeMap::new();
        for (range, replicas) in &ranges {
            let drive = wanted.get(range).and_then(|replica| replicas.get(replica)).expect("one of its replicas");
            *counts.entry(drive.0).or_default() += 1;
        }
        counts
    }

    #[test]
    fn all_lead_about_as_many() {
        let all: Vec<usize> = counts(|_| true).into_values().collect();
        assert_eq!((all.len(), all.iter().sum(), all.iter().max()), (6, 9, Some(&2)));
    }

    #[test]
    fn a_node_that_is_down_leads_nothing() {
        let some = counts(|drive| drive != 2 && drive != 5);
        assert!(!some.contains_key(&2) && !some.contains_key(&5));
        assert!(some.len() == 4 && some.values().all(|count| (2..=3).contains(count)), "{some:?}");
    }
}
