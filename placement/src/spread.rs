//! Choosing drives that share as few failure domains as can be: fewest in one region, then in one
//! zone, then on one node, then on one drive.

use couronne_ring::{DomainPath, FailureDomain};

/// How many drives chosen so far lie in each region, zone, node and drive, by the domains' numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crowd {
    regions: Vec<u16>,
    zones: Vec<u16>,
    nodes: Vec<u16>,
    drives: Vec<u16>,
}

impl Crowd {
    /// Counts a drive in.
    pub(crate) fn add(&mut self, path: DomainPath) {
        let levels = [
            (&mut self.regions, FailureDomain::Region),
            (&mut self.zones, FailureDomain::Zone),
            (&mut self.nodes, FailureDomain::Node),
            (&mut self.drives, FailureDomain::Drive),
        ];
        for (counts, level) in levels {
            let number = usize::from(path.at(level));
            if counts.len() <= number {
                counts.resize(number + 1, 0);
            }
            if let Some(count) = counts.get_mut(number) {
                *count += 1;
            }
        }
    }

    /// How many lie in the same region, zone, node and drive as a drive: the least is the best next.
    pub(crate) fn around(&self, path: DomainPath) -> [u16; 4] {
        let count = |counts: &[u16], level| counts.get(usize::from(path.at(level))).copied().unwrap_or(0);
        [
            count(&self.regions, FailureDomain::Region),
            count(&self.zones, FailureDomain::Zone),
            count(&self.nodes, FailureDomain::Node),
            count(&self.drives, FailureDomain::Drive),
        ]
    }
}
