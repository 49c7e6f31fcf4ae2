//! Which replica is to lead each range, so that all nodes lead about as many.
//!
//! After a death or a restart leaderships lie where they fell. Every leader works out from the map who is to lead
//! its range, and comes to what all others come to; it transfers leadership once the drives have stood as they do for a
//! while.
//! Promises: a node transfers one leadership at a time, to a replica that lacks hardly anything, and does not soon
//! try again what did not help.
//! Must not know: how leadership is transferred.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use couronne_metadata::ids::RangeId;
use couronne_protocol::map::{DriveState, MapSource, ReplicaId};
use couronne_ring::{DriveId, NodeId};
use tokio::time::Instant;

use super::{RangeServer, Replicas};

/// How long the drives must have stood as they do.
const STEADY_FOR: Duration = Duration::from_secs(20);

/// How long a range whose leadership was transferred, or was to be, is left alone.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(60);

/// What a node remembers from one look to the next.
#[derive(Default)]
pub(super) struct Balance {
    wanted: BTreeMap<RangeId, ReplicaId>,
    /// Since when that is wanted.
    since: Option<Instant>,
    tried: BTreeMap<RangeId, Instant>,
}

impl Balance {
    /// A range that is led here and ought to be led by another replica.
    pub(super) fn next(&mut self, replicas: &Replicas) -> Option<(Arc<RangeServer>, ReplicaId)> {
        let (map, view) = (replicas.map.state(), replicas.map.current());
        let node_of = |drive: &DriveId| {
            view.drives.get(drive).filter(|drive| drive.state == DriveState::Up).map(|drive| drive.node)
        };
        let wanted = wanted(map.all_ranges().map(|range| (range.id, &range.replicas)), node_of);
        if wanted != self.wanted {
            (self.wanted, self.since) = (wanted, Some(Instant::now()));
        }
        if self.since.is_none_or(|since| since.elapsed() < STEADY_FOR) {
            return None;
        }
        self.tried.retain(|_, at| at.elapsed() < LEFT_ALONE_FOR);
        let leaders = replicas.all_servers().into_iter().filter(|server| server.is_ready());
        let (leader, to) = leaders
            .filter(|leader| !self.tried.contains_key(&leader.descriptor().id))
            .filter_map(|leader| self.wanted.get(&leader.descriptor().id).map(|to| (leader, *to)))
            .find(|(leader, to)| leader.replica() != *to)?;
        self.tried.insert(leader.descriptor().id, Instant::now());
        Some((leader, to))
    }
}

/// Who is to lead each range: of its replicas on drives that are up, one on the node that leads the fewest of the
/// ranges before it. Of a drive that is up `node_of` says whose it is.
fn wanted<'a>(
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
        let wanted = wanted(ranges.iter().map(|(id, replicas)| (*id, replicas)), node_of);
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
    fn who_is_away_leads_nothing() {
        let some = counts(|drive| drive != 2 && drive != 5);
        assert!(!some.contains_key(&2) && !some.contains_key(&5));
        assert!(some.len() == 4 && some.values().all(|count| (2..=3).contains(count)), "{some:?}");
    }
}
