//! Failure domains: what is lost together.
//!
//! Names are interned to numbers once per ring, so that the hot path compares integers.

use std::collections::BTreeMap;

use crate::drive::RingDrive;
use crate::ids::{NodeId, RegionName, ZoneName};

/// A level of failure domains, narrowest first; the wider level is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureDomain {
    /// One drive.
    Drive,
    /// All drives of a node.
    Node,
    /// All nodes of a zone.
    Zone,
    /// All zones of a region.
    Region,
}

impl FailureDomain {
    /// All levels, widest first.
    pub const WIDEST_FIRST: [Self; 4] = [Self::Region, Self::Zone, Self::Node, Self::Drive];
}

/// The numbers of the domains a drive lies in. Equal numbers at a level mean the same domain;
/// they are valid within one ring (or one list of drives) only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainPath {
    region: u16,
    zone: u16,
    node: u16,
    drive: u16,
}

impl DomainPath {
    /// The number of the drive's domain at `level`.
    pub const fn at(&self, level: FailureDomain) -> u16 {
        match level {
            FailureDomain::Region => self.region,
            FailureDomain::Zone => self.zone,
            FailureDomain::Node => self.node,
            FailureDomain::Drive => self.drive,
        }
    }

    /// Numbers the domains of `drives` in order of first appearance, one path per drive.
    ///
    /// A node counts within its zone and a zone within its region. At most 65,535 drives are
    /// numbered apart; rings and policies hold fewer.
    pub fn of_drives<'a>(drives: impl IntoIterator<Item = &'a RingDrive>) -> Vec<Self> {
        let mut regions = Interner::<&RegionName>::default();
        let mut zones = Interner::<(&RegionName, &ZoneName)>::default();
        let mut nodes = Interner::<(&RegionName, &ZoneName, NodeId)>::default();
        drives
            .into_iter()
            .enumerate()
            .map(|(number, drive)| Self {
                region: regions.number(&drive.region),
                zone: zones.number((&drive.region, &drive.zone)),
                node: nodes.number((&drive.region, &drive.zone, drive.node)),
                drive: u16::try_from(number).unwrap_or(u16::MAX),
            })
            .collect()
    }
}

struct Interner<K>(BTreeMap<K, u16>);

impl<K> Default for Interner<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Interner<K> {
    fn number(&mut self, key: K) -> u16 {
        let next = u16::try_from(self.0.len()).unwrap_or(u16::MAX);
        *self.0.entry(key).or_insert(next)
    }
}
