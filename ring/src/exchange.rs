//! The last pass of a rebalance: chains of moves, where no single move helps any more.
//!
//! A drive above its target may share no partition that a drive below its target could enter: the
//! caps of the domains forbid it. Then a chain does: slot by slot, each in a partition of its own,
//! the surplus is handed on from drive to drive until one that lacks it takes it. This is an
//! augmenting path of a flow (partitions on one side, drives with their targets on the other, the
//! domain caps as a laminar matroid in each partition), so whenever the targets can be met, a
//! chain exists; and the shortest chain is always valid as a whole, even where two of its links
//! lie in one partition.
#![expect(clippy::indexing_slicing, reason = "all indices are drive and slot numbers made by the builder")]

use std::collections::VecDeque;

use crate::assignment::Assignment;

/// Moves slots along shortest chains until no drive is above its target that could be helped.
pub(crate) fn settle(assignment: &mut Assignment) {
    while let Some(chain) = shortest_chain(assignment) {
        for link in chain {
            assignment.set(link.slot, Some(link.to));
        }
    }
}

/// One move: the drive that holds `slot` gives it to `to`.
#[derive(Clone, Copy)]
struct ExchangeLink {
    slot: usize,
    to: usize,
}

/// Searches breadth first from all drives above their targets to the nearest one below.
fn shortest_chain(assignment: &mut Assignment) -> Option<Vec<ExchangeLink>> {
    let drives = assignment.tree().drive_count();
    let mut reached_by: Vec<Option<ExchangeLink>> = vec![None; drives];
    let mut queue: VecDeque<usize> = (0..drives).filter(|drive| assignment.excess(*drive) > 0).collect();
    let mut unseen: Vec<usize> = (0..drives).filter(|drive| assignment.excess(*drive) <= 0).collect();

    while let Some(from) = queue.pop_front() {
        for partition in assignment.partitions() {
            let Some(slot) = assignment.slot_range(partition).find(|slot| assignment.slot(*slot) == Some(from)) else {
                continue;
            };
            assignment.enter(partition);
            assignment.release(from);
            let (reached, rest): (Vec<usize>, Vec<usize>) =
                unseen.iter().partition(|drive| assignment.has_room(**drive));
            assignment.hold(from);
            assignment.leave(partition);
            unseen = rest;
            for to in reached {
                reached_by[to] = Some(ExchangeLink { slot, to });
                if assignment.excess(to) < 0 {
                    return Some(chain_to(assignment, &reached_by, to));
                }
                queue.push_back(to);
            }
        }
    }
    None
}

/// The links that lead to `end`, last one first.
fn chain_to(assignment: &Assignment, reached_by: &[Option<ExchangeLink>], end: usize) -> Vec<ExchangeLink> {
    let links =
        std::iter::successors(reached_by[end], |link| assignment.slot(link.slot).and_then(|holder| reached_by[holder]));
    links.collect()
}
