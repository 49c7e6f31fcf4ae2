//! What several nodes say of repair and scrubbing, taken together.
//!
//! Promises: pure; the order of the nodes does not matter.

use couronne_admin::types::{Repair, Scrub};

/// Adds what another node says of repair.
pub(super) fn add_repair(sum: &mut Repair, other: &Repair) {
    let says = |repair: &Repair| (repair.pending > 0, repair.remaining_s);
    sum.remaining_s = slowest(says(sum), says(other));
    sum.elapsed_s = sum.elapsed_s.max(other.elapsed_s);
    sum.pending += other.pending;
    sum.pending_chunks += other.pending_chunks;
    sum.done_chunks += other.done_chunks;
    sum.parked += other.parked;
    sum.listed += other.listed;
    sum.unlisted_ranges.extend_from_slice(&other.unlisted_ranges);
    sum.rebuilt_bytes += other.rebuilt_bytes;
    sum.bytes_per_second += other.bytes_per_second;
    sum.survives = [sum.survives, other.survives].into_iter().flatten().min();
    sum.grace_s = sum.grace_s.max(other.grace_s);
    for level in &other.degraded {
        match sum.degraded.iter_mut().find(|known| known.survives == level.survives) {
            Some(known) => {
                known.blobs += level.blobs;
                known.chunks += level.chunks;
            }
            None => sum.degraded.push(*level),
        }
    }
    sum.degraded.sort_unstable_by_key(|level| level.survives);
}

/// Adds what another node says of scrubbing; `None` before the first.
pub(super) fn joined_scrub(sum: Option<Scrub>, other: Scrub) -> Scrub {
    let Some(mut sum) = sum else { return other };
    let says = |scrub: &Scrub| (scrub.running, scrub.remaining_s);
    sum.remaining_s = slowest(says(&sum), says(&other));
    sum.elapsed_s = sum.elapsed_s.max(other.elapsed_s);
    sum.running |= other.running;
    sum.rounds = sum.rounds.min(other.rounds);
    sum.ended_ms = sum.ended_ms.zip(other.ended_ms).map(|(one, other)| one.min(other));
    sum.drives.extend(other.drives);
    sum.looked_chunks += other.looked_chunks;
    sum.total_chunks = sum.total_chunks.zip(other.total_chunks).map(|(one, other)| one + other);
    sum.bytes_per_second += other.bytes_per_second;
    sum.found += other.found;
    sum.healed += other.healed;
    sum.orphans += other.orphans;
    sum.cycle_s = sum.cycle_s.max(other.cycle_s);
    sum
}

/// How long two take that work side by side, each with whether it works and what it says of that: the slower decides,
/// and one that works and cannot say may be the slower.
fn slowest(one: (bool, Option<u64>), other: (bool, Option<u64>)) -> Option<u64> {
    let is_silent = |(works, left): (bool, Option<u64>)| works && left.is_none();
    one.1.max(other.1).filter(|_| !is_silent(one) && !is_silent(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_that_of_the_slowest_node_and_unknown_while_one_has_not_counted() {
        let says = |pending, remaining_s| Repair { pending, remaining_s, ..Repair::default() };
        let sum = |said: &[Repair]| {
            let mut sum = Repair::default();
            said.iter().for_each(|said| add_repair(&mut sum, said));
            sum.remaining_s
        };
        assert_eq!(sum(&[says(3, Some(20)), says(0, None), says(9, Some(70)), says(1, Some(1))]), Some(70));
        assert_eq!(sum(&[says(3, None), says(9, Some(70))]), None);
        assert_eq!(sum(&[says(9, Some(70)), says(3, None), says(9, Some(80))]), None);
        assert_eq!(sum(&[says(0, None), says(0, None)]), None);

        let says = |running, remaining_s| Scrub { running, remaining_s, ..Scrub::default() };
        let joined = |said: Vec<Scrub>| {
            let joined = said.into_iter().fold(None, |sum, said| Some(joined_scrub(sum, said)));
            joined.and_then(|joined| joined.remaining_s)
        };
        assert_eq!(joined(vec![says(true, Some(20)), says(false, None), says(true, Some(70))]), Some(70));
        assert_eq!(joined(vec![says(true, Some(20)), says(true, None), says(true, Some(30))]), None);
        assert_eq!(joined(vec![says(false, None), says(false, None)]), None);
    }
}
