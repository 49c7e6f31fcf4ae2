//! The judge: is there an order of a key's operations, each at one moment between its beginning and its
//! end, in which everything that clients were told is true?
//!
//! An exact search after Wing and Gong: whatever may come next is tried, and no state of the search is
//! tried twice. A write whose outcome nobody knows may have its moment until its deadline, or none.
//! From this follow all the promises about a key: no acknowledged write is lost, nothing stale is read or
//! listed, nothing deleted comes back, a conditional write is won by at most one.
//! Must not know: clusters, time-outs.

use std::collections::HashSet;

use couronne_metadata::ids::VersionId;
use couronne_metadata::record::Etag;

use crate::clients::actions::Condition;
use crate::clients::history::{Moment, Record, Step};

/// After so many states a search is given up.
const STATES_MAX: usize = 3_000_000;

/// What the search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is such an order.
    Right,
    /// There is none; the best order explains this many of the sure operations.
    Wrong(usize),
    /// Not found within the bounds of the search.
    Undecided,
}

/// A version of a key, or a delete marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Version {
    etag: Option<Etag>,
    name: Option<VersionId>,
}

/// The versions of a key, newest last; without versioning at most one, which is never a marker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct KeyState(Vec<Version>);

impl KeyState {
    fn current(&self) -> Option<&Version> {
        self.0.last().filter(|version| version.etag.is_some())
    }

    /// The state after a step; `None` if the step cannot happen here.
    fn after(&self, step: &Step, versioned: bool) -> Option<Self> {
        let current = self.current();
        let tag = current.and_then(|version| version.etag);
        let named = |name: Option<VersionId>, found: Option<VersionId>| match (name, found) {
            (Some(name), Some(found)) => name == found,
            _ => true,
        };
        let holds = match step {
            Step::Put(_, _, Condition::Absent) => tag.is_none(),
            Step::Put(_, _, Condition::Matches(wanted)) => tag == Some(*wanted),
            Step::Put(..) | Step::Delete(_) | Step::DeleteVersion(_) => true,
            Step::Saw(None) => tag.is_none(),
            Step::Saw(Some((seen, name))) => {
                tag == Some(*seen) && current.is_some_and(|version| named(*name, version.name))
            }
            Step::SawAny => tag.is_some(),
            Step::SawNot(seen) => tag != Some(*seen),
            Step::SawVersion(name, seen) => {
                let found = self.0.iter().find(|version| version.name == Some(*name));
                found.and_then(|version| version.etag) == *seen
            }
        };
        holds.then(|| self.with(step, versioned))
    }

    fn with(&self, step: &Step, versioned: bool) -> Self {
        let mut versions = self.0.clone();
        match step {
            Step::Put(..) | Step::Delete(_) if !versioned => versions.clear(),
            _ => {}
        }
        match step {
            Step::Put(etag, name, _) => versions.push(Version { etag: Some(*etag), name: *name }),
            Step::Delete(marker) if versioned => versions.push(Version { etag: None, name: *marker }),
            Step::DeleteVersion(name) => versions.retain(|version| version.name != Some(*name)),
            _ => {}
        }
        Self(versions)
    }
}

/// Which operations have had their moment, or will have none.
type Past = Vec<u64>;

struct Search<'a> {
    records: &'a [&'a Record],
    versioned: bool,
    seen: HashSet<(Past, KeyState)>,
    best: usize,
}

/// Judges a key's operations, given by their beginnings.
pub fn judge(records: &[&Record], versioned: bool) -> Verdict {
    let records = needed(records);
    let mut search = Search { records: &records, versioned, seen: HashSet::new(), best: 0 };
    let past = vec![0; records.len().div_ceil(64)];
    let sure = records.iter().filter(|record| record.is_sure).count();
    match search.run(past, sure) {
        Some(true) => Verdict::Right,
        Some(false) => Verdict::Wrong(search.best),
        None => Verdict::Undecided,
    }
}

/// Leaves out writes of unknown outcome that nobody can have noticed: if there is an order with them,
/// there is one without.
fn needed<'a>(records: &[&'a Record]) -> Vec<&'a Record> {
    let looks_at_any = records.iter().any(|record| {
        record.is_sure && matches!(record.step, Step::SawAny | Step::SawNot(_) | Step::Put(_, _, Condition::Matches(_)))
    });
    let is_noticed = |etag: &Etag| {
        records.iter().any(|record| match &record.step {
            Step::Saw(Some((seen, _))) | Step::SawVersion(_, Some(seen)) => seen == etag,
            Step::Put(_, _, Condition::Matches(wanted)) => wanted == etag,
            _ => false,
        })
    };
    let is_needed = |record: &&&Record| match &record.step {
        Step::Put(etag, ..) if !record.is_sure => looks_at_any || is_noticed(etag),
        _ => true,
    };
    records.iter().filter(is_needed).copied().collect()
}

impl Search<'_> {
    /// Whether the rest can be ordered; `None` if that took too long.
    fn run(&mut self, past: Past, sure_left: usize) -> Option<bool> {
        let mut open = vec![(past, KeyState::default(), sure_left)];
        let all = sure_left;
        while let Some((past, state, left)) = open.pop() {
            self.best = self.best.max(all - left);
            if left == 0 {
                return Some(true);
            }
            if self.seen.len() > STATES_MAX {
                return None;
            }
            if !self.seen.insert((past.clone(), state.clone())) {
                continue;
            }
            self.expand(&past, &state, left, &mut open);
        }
        Some(false)
    }

    /// Adds what may come next: the most likely last, for that is tried first.
    fn expand(&self, past: &[u64], state: &KeyState, left: usize, open: &mut Vec<(Past, KeyState, usize)>) {
        let waiting = || (0..).zip(self.records).filter(|(place, _)| !has(past, *place));
        let first_end = waiting().filter(|(_, record)| record.is_sure).map(|(_, record)| record.ended).min();
        let Some(first_end) = first_end else { return };
        let next = || waiting().take_while(|(_, record)| record.began < first_end);
        let mut likely = Vec::new();
        for (place, record) in next() {
            let Some(after) = state.after(&record.step, self.versioned) else { continue };
            let (past, dropped) = self.settle(past, place, record.began);
            let left = left - usize::from(record.is_sure);
            if record.is_sure && record.step.is_look() && !dropped {
                // It changes nothing, and may as well have its moment now.
                open.push((past, after, left));
                return;
            }
            likely.push((record.is_sure, record.ended, (past, after, left)));
        }
        // Those that must come soon first, those that need not come at all last.
        likely.sort_by_key(|(is_sure, ended, _)| (*is_sure, std::cmp::Reverse(*ended)));
        open.extend(likely.into_iter().map(|(_, _, next)| next));
    }

    /// Notes that an operation has had its moment, which was after it began: whatever had to happen
    /// before then and did not, never does. Says whether there was any such.
    fn settle(&self, past: &[u64], place: usize, began: Moment) -> (Past, bool) {
        let mut next = past.to_vec();
        set(&mut next, place);
        let mut dropped = false;
        for (other, record) in (0..).zip(self.records) {
            if record.began >= began {
                break;
            }
            if !record.is_sure && record.ended < began && !has(&next, other) {
                set(&mut next, other);
                dropped = true;
            }
        }
        (next, dropped)
    }
}

fn has(past: &[u64], place: usize) -> bool {
    past.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
}

fn set(past: &mut [u64], place: usize) {
    if let Some(word) = past.get_mut(place / 64) {
        *word |= 1 << (place % 64);
    }
}

#[cfg(test)]
mod tests {
    use couronne_metadata::ids::Ordinal;

    use super::*;
    use crate::clients::values::Value;

    fn tag(number: u64) -> Etag {
        Value { number, len: 20 }.etag()
    }

    fn record(began: u64, ended: u64, step: Step, is_sure: bool) -> Record {
        Record { began: Moment::at_ms(began), ended: Moment::at_ms(ended), step, is_sure, asked_by: String::new() }
    }

    fn put(number: u64) -> Step {
        Step::Put(tag(number), None, Condition::Always)
    }

    fn saw(number: u64) -> Step {
        Step::Saw(Some((tag(number), None)))
    }

    fn verdict(records: &[Record]) -> Verdict {
        judge(&records.iter().collect::<Vec<_>>(), false)
    }

    #[test]
    fn a_lost_write_a_stale_read_and_a_return_from_the_dead_are_wrong() {
        let lost = [record(1, 2, put(1), true), record(3, 4, Step::Saw(None), true)];
        assert_eq!(verdict(&lost), Verdict::Wrong(1));
        let stale = [record(1, 2, put(1), true), record(3, 4, put(2), true), record(5, 6, saw(1), true)];
        assert_eq!(verdict(&stale), Verdict::Wrong(2));
        let back = [record(1, 2, put(1), true), record(3, 4, Step::Delete(None), true), record(5, 6, saw(1), true)];
        assert_eq!(verdict(&back), Verdict::Wrong(2));
        let meanwhile = [record(1, 9, put(1), true), record(2, 3, saw(1), true), record(4, 5, Step::Saw(None), true)];
        assert_eq!(verdict(&meanwhile), Verdict::Wrong(2));
    }

    #[test]
    fn what_overlaps_may_come_in_any_order() {
        let overlap = [
            record(1, 5, put(1), true),
            record(2, 6, put(2), true),
            record(3, 4, Step::Saw(None), true),
            record(7, 8, saw(1), true),
        ];
        assert_eq!(verdict(&overlap), Verdict::Right);
    }

    #[test]
    fn an_unknown_write_has_its_moment_until_its_deadline_or_none() {
        let perhaps = |seen| [record(1, 10, put(1), false), record(3, 4, Step::Saw(None), true), seen];
        assert_eq!(verdict(&perhaps(record(6, 7, saw(1), true))), Verdict::Right);
        assert_eq!(verdict(&perhaps(record(60, 70, Step::Saw(None), true))), Verdict::Right);
        assert_eq!(verdict(&perhaps(record(60, 70, saw(1), true))), Verdict::Right);
        let [first, second, third] = perhaps(record(60, 70, saw(1), true));
        let between = record(20, 30, Step::Saw(None), true);
        assert_eq!(verdict(&[first, second, between, third]), Verdict::Wrong(2));
    }

    #[test]
    fn only_one_wins_a_condition() {
        let claim = |began, ended, number, is_sure| {
            record(began, ended, Step::Put(tag(number), None, Condition::Absent), is_sure)
        };
        assert_eq!(verdict(&[claim(1, 5, 1, true), claim(2, 6, 2, true)]), Verdict::Wrong(1));
        let failed = [claim(1, 5, 1, false), record(2, 3, Step::SawAny, true)];
        assert_eq!(verdict(&failed), Verdict::Right);
    }

    #[test]
    fn versions_stay_until_they_are_removed() {
        let name = |n: u64| VersionId::Ordinal(Ordinal(n));
        let versioned = |records: &[Record]| judge(&records.iter().collect::<Vec<_>>(), true);
        let first = record(1, 2, Step::Put(tag(1), Some(name(1)), Condition::Always), true);
        let second = record(3, 4, Step::Put(tag(2), Some(name(2)), Condition::Always), true);
        let look = |n, seen: Option<u64>| record(9, 10, Step::SawVersion(name(n), seen.map(tag)), true);
        assert_eq!(versioned(&[first.clone(), second.clone(), look(1, Some(1))]), Verdict::Right);
        assert_eq!(versioned(&[first.clone(), second.clone(), look(1, None)]), Verdict::Wrong(2));
        let removed = record(5, 6, Step::DeleteVersion(name(2)), true);
        assert_eq!(versioned(&[first, second, removed, record(9, 10, saw(1), true)]), Verdict::Right);
    }
}
