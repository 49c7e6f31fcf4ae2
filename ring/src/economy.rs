//! Taking back moves that were not needed, once every drive holds its target.
//!
//! The passes before are greedy: they may have moved a slot from A to B and another from B to C
//! where one from A to C would have done. Such a detour is a cycle of exchanges that leaves every
//! drive with as many slots as it has and puts more of them back where they were: a cycle of
//! negative cost in the graph of drives, where handing a slot on costs 1 if it leaves a drive that
//! had the partition before, and gains 1 if it comes back to one. A table without such cycles
//! moves the least possible. Only cycles of up to [`CYCLE_LINKS_MAX`] links are looked for, which
//! bounds the work and in tests leaves next to nothing on the table.
#![expect(clippy::indexing_slicing, reason = "all indices are drive and slot numbers made by the builder")]

use crate::assignment::Assignment;

/// The longest cycle looked for.
const CYCLE_LINKS_MAX: usize = 8;

/// Runs exchange cycles until none saves a move.
pub(crate) fn save_moves(assignment: &mut Assignment) {
    loop {
        let mut offers = Offers::collect(assignment);
        let mut saved = false;
        while let Some(cycle) = offers.saving_cycle() {
            saved |= run(assignment, &cycle);
            offers.withdraw(assignment, &cycle);
        }
        if !saved {
            return;
        }
    }
}

/// One exchange: `from`, which holds `slot`, gives it to `to`.
#[derive(Clone, Copy)]
struct Link {
    from: usize,
    to: usize,
    slot: usize,
    cost: i32,
}

/// The cheapest exchange known for each pair of drives.
struct Offers {
    drives: usize,
    cheapest: Vec<Option<Link>>,
}

impl Offers {
    fn collect(assignment: &mut Assignment) -> Self {
        let drives = assignment.tree().drive_count();
        let mut offers = Self { drives, cheapest: vec![None; drives * drives] };
        for partition in assignment.partitions() {
            assignment.enter(partition);
            for slot in assignment.slot_range(partition) {
                let Some(from) = assignment.slot(slot) else { continue };
                assignment.release(from);
                for to in (0..drives).filter(|to| *to != from && assignment.has_room(*to)) {
                    let was_here = |drive| i32::from(assignment.held_before(partition, drive));
                    offers.offer(Link { from, to, slot, cost: was_here(from) - was_here(to) });
                }
                assignment.hold(from);
            }
            assignment.leave(partition);
        }
        offers
    }

    fn offer(&mut self, link: Link) {
        let known = &mut self.cheapest[link.from * self.drives + link.to];
        if known.is_none_or(|known| link.cost < known.cost) {
            *known = Some(link);
        }
    }

    /// Forgets what a cycle has used up: all offers in the partitions it touched.
    fn withdraw(&mut self, assignment: &Assignment, cycle: &[Link]) {
        let touched: Vec<usize> = cycle.iter().map(|link| assignment.partition_of(link.slot)).collect();
        for offer in &mut self.cheapest {
            if offer.is_some_and(|link| touched.contains(&assignment.partition_of(link.slot))) {
                *offer = None;
            }
        }
    }

    /// Searches by Bellman and Ford's method from all drives at once; a cycle of predecessors is
    /// one of negative cost.
    fn saving_cycle(&self) -> Option<Vec<Link>> {
        let mut cost = vec![0; self.drives];
        let mut reached_by: Vec<Option<Link>> = vec![None; self.drives];
        for _ in 0..CYCLE_LINKS_MAX {
            let mut cheaper = false;
            for link in self.cheapest.iter().flatten() {
                if cost[link.from] + link.cost < cost[link.to] {
                    cost[link.to] = cost[link.from] + link.cost;
                    reached_by[link.to] = Some(*link);
                    cheaper = true;
                }
            }
            if !cheaper {
                return None;
            }
            if let Some(cycle) = cycle_in(&reached_by) {
                return Some(cycle);
            }
        }
        None
    }
}

/// A cycle among the links by which drives were reached.
fn cycle_in(reached_by: &[Option<Link>]) -> Option<Vec<Link>> {
    let mut walked_from = vec![None; reached_by.len()];
    for start in 0..reached_by.len() {
        let mut at = start;
        while walked_from[at].is_none() {
            walked_from[at] = Some(start);
            let Some(link) = reached_by[at] else { break };
            at = link.from;
        }
        if walked_from[at] == Some(start) && reached_by[at].is_some() {
            let mut cycle: Vec<Link> = std::iter::successors(reached_by[at], |link| reached_by[link.from])
                .take_while(|link| link.from != at)
                .collect();
            let closing = if let Some(last) = cycle.last() { reached_by[last.from] } else { reached_by[at] };
            cycle.extend(closing);
            return Some(cycle);
        }
    }
    None
}

/// Runs a cycle if each of its links is still possible when its turn comes, else changes nothing.
fn run(assignment: &mut Assignment, cycle: &[Link]) -> bool {
    let done = cycle.iter().take_while(|link| hand_on(assignment, link)).count();
    if done == cycle.len() {
        return true;
    }
    for link in cycle.iter().take(done).rev() {
        assignment.set(link.slot, Some(link.from));
    }
    false
}

fn hand_on(assignment: &mut Assignment, link: &Link) -> bool {
    if assignment.slot(link.slot) != Some(link.from) {
        return false;
    }
    let partition = assignment.partition_of(link.slot);
    assignment.enter(partition);
    assignment.release(link.from);
    let possible = assignment.has_room(link.to);
    assignment.hold(link.from);
    assignment.leave(partition);
    if possible {
        assignment.set(link.slot, Some(link.to));
    }
    possible
}
