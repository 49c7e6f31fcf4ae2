//! How the replicas of ranges are spread over failure domains: which losses the metadata survives.
//!
//! A range is served as long as a majority of its replicas is; without the meta group or the range of the system
//! bucket the rest is of no use, so the worst of all ranges is what counts.
//! Must not know: rings, chunks.

use std::collections::BTreeMap;

use couronne_metadata::ids::RangeId;
use couronne_ring::{DomainPath, DriveId, FailureDomain, ZoneName, domains_survived};

use super::{ClusterMap, MapRange};

/// A failure domain that has more replicas of a range than the range can do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crowded {
    /// The range.
    pub range: RangeId,
    /// The zone of the domain.
    pub zone: ZoneName,
    /// How many replicas of the range are in the domain.
    pub inside: usize,
    /// How many replicas the range has.
    pub replicas: usize,
}

impl ClusterMap {
    /// How many domains of a level may be lost, whichever they are, so that each range keeps a majority.
    pub fn metadata_losses_survived(&self, level: FailureDomain) -> usize {
        let paths = self.domains_of_drives();
        let survived = |range: &MapRange| {
            let held = by_domain(range, &paths, level).into_values().map(|(_, inside)| inside);
            domains_survived(held, range.spare_replicas())
        };
        self.all_ranges().map(survived).min().unwrap_or(0)
    }

    /// The domains of a level of which not even one may be lost, once for each range that would lose its majority.
    pub fn crowded_domains(&self, level: FailureDomain) -> Vec<Crowded> {
        let paths = self.domains_of_drives();
        let of_range = |range: &MapRange| -> Vec<Crowded> {
            let crowded = |(drive, inside)| {
                let zone = self.nodes.get(&self.drives.get(&drive)?.node)?.zone.clone();
                let crowded = Crowded { range: range.id, zone, inside, replicas: range.replicas.len() };
                (inside > range.spare_replicas()).then_some(crowded)
            };
            by_domain(range, &paths, level).into_values().filter_map(crowded).collect()
        };
        self.all_ranges().flat_map(of_range).collect()
    }

    fn domains_of_drives(&self) -> BTreeMap<DriveId, DomainPath> {
        let drives = self.ring_drives();
        drives.iter().map(|drive| drive.id).zip(DomainPath::of_drives(&drives)).collect()
    }
}

impl MapRange {
    /// How many of its replicas a range can do without.
    fn spare_replicas(&self) -> usize {
        self.replicas.len().saturating_sub(1) / 2
    }
}

/// The domains of a level that hold replicas of a range: one of its drives there, and how many replicas.
fn by_domain(
    range: &MapRange,
    paths: &BTreeMap<DriveId, DomainPath>,
    level: FailureDomain,
) -> BTreeMap<u16, (DriveId, usize)> {
    let mut here = BTreeMap::new();
    for drive in range.replicas.values() {
        let Some(path) = paths.get(drive) else { continue };
        here.entry(path.at(level)).or_insert((*drive, 0)).1 += 1;
    }
    here
}
