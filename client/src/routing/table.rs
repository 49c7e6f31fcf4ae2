//! The range table: which range owns a position, as far as this process has learnt.
//!
//! Promises: intervals in the table never overlap; what is newer replaces whatever it overlaps. The
//! table may be wrong: a range that is asked for what it does not own says so, and what it says is learnt.
//! Must not know: how ranges are asked.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::ids::RangeId;
use couronne_ring::DriveId;
use parking_lot::{Mutex, RwLock};

/// A range as known here, and which replica led it when last heard of.
#[derive(Debug)]
pub struct KnownRange {
    /// What it owns, and where its replicas are.
    pub descriptor: RangeDescriptor,
    leader: Mutex<Option<DriveId>>,
}

impl KnownRange {
    pub(crate) const fn new(descriptor: RangeDescriptor, leader: Option<DriveId>) -> Self {
        Self { descriptor, leader: Mutex::new(leader) }
    }

    /// Whether a replica of the range is known to be on a drive.
    pub(crate) fn has_replica(&self, drive: DriveId) -> bool {
        self.descriptor.replicas.contains(&drive)
    }

    pub(crate) fn leader(&self) -> Option<DriveId> {
        *self.leader.lock()
    }

    pub(crate) fn set_leader(&self, leader: Option<DriveId>) {
        *self.leader.lock() = leader;
    }
}

/// Ranges by their first position.
#[derive(Default)]
pub(crate) struct RangeTable {
    ranges: RwLock<BTreeMap<Bytes, Arc<KnownRange>>>,
}

impl RangeTable {
    /// The range that owns a position, if one is known to.
    pub(crate) fn find(&self, position: &[u8]) -> Option<Arc<KnownRange>> {
        let ranges = self.ranges.read();
        let (_, known) = ranges.range::<[u8], _>((Bound::Unbounded, Bound::Included(position))).next_back()?;
        known.descriptor.contains(position).then(|| known.clone())
    }

    /// Learns of ranges. One of the same id and an older generation than what is known is ignored.
    pub(crate) fn learn(&self, descriptors: Vec<RangeDescriptor>) {
        let mut ranges = self.ranges.write();
        for descriptor in descriptors {
            insert(&mut ranges, descriptor);
        }
    }

    /// Forgets a range, if it is still known as this.
    pub(crate) fn forget(&self, known: &KnownRange) {
        let mut ranges = self.ranges.write();
        let start = &known.descriptor.start;
        if ranges.get(start).is_some_and(|here| here.descriptor == known.descriptor) {
            ranges.remove(start);
        }
    }
}

fn insert(ranges: &mut BTreeMap<Bytes, Arc<KnownRange>>, descriptor: RangeDescriptor) {
    if !descriptor.end.is_empty() && descriptor.start >= descriptor.end {
        return;
    }
    let overlapped = overlapping(ranges, &descriptor);
    let newer = |known: &Arc<KnownRange>| {
        known.descriptor.id == descriptor.id && known.descriptor.generation > descriptor.generation
    };
    if overlapped.iter().any(newer) {
        return;
    }
    let leader = leader_of(&overlapped, descriptor.id);
    for known in overlapped {
        ranges.remove(&known.descriptor.start);
    }
    ranges.insert(descriptor.start.clone(), Arc::new(KnownRange::new(descriptor, leader)));
}

fn leader_of(known: &[Arc<KnownRange>], id: RangeId) -> Option<DriveId> {
    known.iter().find(|known| known.descriptor.id == id).and_then(|known| known.leader())
}

/// The known ranges that meet a descriptor's interval.
fn overlapping(ranges: &BTreeMap<Bytes, Arc<KnownRange>>, with: &RangeDescriptor) -> Vec<Arc<KnownRange>> {
    let before = ranges
        .range::<Bytes, _>((Bound::Unbounded, Bound::Excluded(&with.start)))
        .next_back()
        .filter(|(_, known)| known.descriptor.contains(&with.start));
    let upper = if with.end.is_empty() { Bound::Unbounded } else { Bound::Excluded(&with.end) };
    let inside = ranges.range::<Bytes, _>((Bound::Included(&with.start), upper));
    before.into_iter().chain(inside).map(|(_, known)| known.clone()).collect()
}

#[cfg(test)]
mod tests {
    use couronne_metadata::ids::Generation;

    use super::*;

    fn range(id: u64, generation: u64, start: &'static str, end: &'static str) -> RangeDescriptor {
        RangeDescriptor {
            id: RangeId(id),
            generation: Generation(generation),
            start: Bytes::from_static(start.as_bytes()),
            end: Bytes::from_static(end.as_bytes()),
            replicas: vec![DriveId(1)],
        }
    }

    fn owner(table: &RangeTable, position: &str) -> Option<u64> {
        table.find(position.as_bytes()).map(|known| known.descriptor.id.0)
    }

    #[test]
    fn a_split_replaces_what_it_splits() {
        let table = RangeTable::default();
        table.learn(vec![range(1, 1, "", "m"), range(2, 1, "m", "")]);
        assert_eq!((owner(&table, "a"), owner(&table, "m"), owner(&table, "z")), (Some(1), Some(2), Some(2)));
        table.learn(vec![range(3, 2, "", "c"), range(4, 2, "c", "m")]);
        assert_eq!((owner(&table, "a"), owner(&table, "c"), owner(&table, "m")), (Some(3), Some(4), Some(2)));
        table.learn(vec![range(5, 3, "b", "")]);
        assert_eq!((owner(&table, "a"), owner(&table, "b"), owner(&table, "z")), (None, Some(5), Some(5)));
    }

    #[test]
    fn an_older_generation_is_ignored_and_an_empty_interval_too() {
        let table = RangeTable::default();
        table.learn(vec![range(1, 2, "", "m")]);
        table.learn(vec![range(1, 1, "", ""), range(9, 9, "x", "b")]);
        assert_eq!((owner(&table, "a"), owner(&table, "z")), (Some(1), None));
    }
}
