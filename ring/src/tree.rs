//! What each failure domain may and should hold: caps per partition, and targets over the table.
//!
//! Cap: the most slots of one partition a domain may hold. A domain's slots are spread over the
//! domains within it as evenly as their drives allow, so a cap is the least number that still
//! leaves room for all of them; it is 1 while there are as many domains as slots.
//! Target: the slots a domain should hold in all. Shares go by weight from the root down; a
//! domain whose cap stops it short of its share passes the rest on to its siblings. Spread comes
//! before weight: a small zone among few is filled rather than two shards lost together.
//!
//! Caps and targets agree: splitting each domain's target evenly over the partitions breaks no
//! cap, so a whole-numbered table that meets all targets exists as well (its constraints are those
//! of a flow), and the builder reaches it.
//! Must not know: the table, which slots are of one partition.
#![expect(clippy::indexing_slicing, reason = "all indices are made here, from the tree's own vectors")]

use crate::domain::{DomainPath, FailureDomain};
use crate::drive::RingDrive;

const ROOT: usize = 0;

/// The domains of the eligible drives, from the root (all of them) down to single drives.
#[derive(Debug)]
pub(crate) struct DomainTree {
    domains: Vec<Domain>,
    /// For each drive the domains it lies in: region, zone, node, and itself.
    paths: Vec<[usize; 4]>,
    width: usize,
}

#[derive(Debug, Default)]
struct Domain {
    children: Vec<usize>,
    drives: usize,
    weight: u64,
    cap: usize,
    target: u64,
    held_before: u64,
}

impl DomainTree {
    /// Builds the tree over drives `0..paths.len()` and sets the caps for partitions of `width` slots.
    pub(crate) fn new(paths: &[DomainPath], width: usize) -> Self {
        let mut tree = Self { domains: vec![Domain::default()], paths: Vec::with_capacity(paths.len()), width };
        let mut numbers = std::collections::BTreeMap::new();
        for path in paths {
            let mut parent = ROOT;
            tree.domains[ROOT].drives += 1;
            let ancestors = FailureDomain::WIDEST_FIRST.map(|level| {
                let next = tree.domains.len();
                let number = *numbers.entry((level, path.at(level))).or_insert(next);
                if number == next {
                    tree.domains.push(Domain::default());
                    tree.domains[parent].children.push(number);
                }
                tree.domains[number].drives += 1;
                parent = number;
                number
            });
            tree.paths.push(ancestors);
        }
        tree.domains[ROOT].cap = width;
        tree.set_caps(ROOT);
        tree
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn drive_count(&self) -> usize {
        self.paths.len()
    }

    pub(crate) fn domain_count(&self) -> usize {
        self.domains.len()
    }

    /// The domains that `drive` lies in, as indices below [`DomainTree::domain_count`].
    pub(crate) fn path(&self, drive: usize) -> &[usize; 4] {
        &self.paths[drive]
    }

    /// The most slots of one partition in `domain`.
    pub(crate) fn cap(&self, domain: usize) -> usize {
        self.domains[domain].cap
    }

    /// The slots that `drive` should hold.
    pub(crate) fn target(&self, drive: usize) -> u64 {
        let [.., itself] = self.paths[drive];
        self.domains[itself].target
    }

    fn set_caps(&mut self, parent: usize) {
        let children = self.domains[parent].children.clone();
        let wanted = self.domains[parent].cap;
        let room = |cap: usize| children.iter().map(|child| self.domains[*child].drives.min(cap)).sum::<usize>();
        let cap = (0..=wanted).find(|cap| room(*cap) >= wanted).unwrap_or(wanted);
        for child in children {
            self.domains[child].cap = cap.min(self.domains[child].drives);
            self.set_caps(child);
        }
    }

    /// Sets the targets for `partitions` partitions, by the weights of `drives`; `holders` are the drives
    /// of the slots held so far, each of which keeps the slot more or less that rounding gives or takes.
    pub(crate) fn set_targets(
        &mut self,
        drives: &[&RingDrive],
        partitions: u64,
        holders: impl IntoIterator<Item = usize>,
    ) {
        for (drive, path) in drives.iter().zip(&self.paths) {
            for domain in path {
                self.domains[*domain].weight += u64::from(drive.weight);
            }
        }
        for drive in holders {
            for domain in self.paths[drive] {
                self.domains[domain].held_before += 1;
            }
        }
        self.domains[ROOT].target = partitions * self.width as u64;
        self.split_target(ROOT, partitions);
    }

    fn split_target(&mut self, parent: usize, partitions: u64) {
        let children = self.domains[parent].children.clone();
        let shares: Vec<Share> = children
            .iter()
            .map(|child| {
                let domain = &self.domains[*child];
                Share { weight: domain.weight, limit: domain.cap as u64 * partitions, held_before: domain.held_before }
            })
            .collect();
        let targets = apportion(self.domains[parent].target, &shares);
        for (child, target) in children.into_iter().zip(targets) {
            self.domains[child].target = target;
            self.split_target(child, partitions);
        }
    }
}

struct Share {
    weight: u64,
    limit: u64,
    held_before: u64,
}

/// Splits `total` by weight, none above its limit, in whole numbers. The limits leave room for all.
fn apportion(total: u64, shares: &[Share]) -> Vec<u64> {
    let mut targets = vec![0; shares.len()];
    let mut open: Vec<usize> = (0..shares.len()).collect();
    let mut rest = total;
    let mut weight: u64 = shares.iter().map(|share| share.weight).sum();
    // A share that would exceed its limit gets the limit; the others share what is left, until all fit.
    loop {
        let full = |index: &usize| rest * shares[*index].weight > shares[*index].limit * weight;
        let (capped, fitting): (Vec<usize>, Vec<usize>) = open.iter().partition(|index| full(index));
        for index in &capped {
            targets[*index] = shares[*index].limit;
            rest -= shares[*index].limit;
            weight -= shares[*index].weight;
        }
        open = fitting;
        if capped.is_empty() || open.is_empty() {
            break;
        }
    }
    for index in &open {
        targets[*index] = rest * shares[*index].weight / weight;
    }
    // The slots that rounding down left over: first to those that hold one more already.
    let left_over = rest - open.iter().map(|index| targets[*index]).sum::<u64>();
    let fraction = |index: usize| rest * shares[index].weight % weight;
    open.retain(|index| fraction(*index) > 0);
    open.sort_by_key(|index| (shares[*index].held_before <= targets[*index], u64::MAX - fraction(*index), *index));
    for index in open.iter().take(usize::try_from(left_over).unwrap_or(usize::MAX)) {
        targets[*index] += 1;
    }
    targets
}
