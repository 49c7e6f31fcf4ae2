//! What was heard of changes of identities, by range.
//!
//! Each range counts the changes of its rows of identities. A value that was made of rows names the ranges and the counts
//! that it was made under ([`Basis`]); it counts while each of them has said the same count within a bounded time. The
//! time is that before the range was asked, so that it is never too late.
//!
//! Promises: nothing counts once this process has written a row itself, before the ranges were asked again.
//! Must not know: how ranges are asked, what values are.

use std::collections::BTreeMap;
use std::time::Duration;

use couronne_client::IdentityRow;
use couronne_metadata::ids::{Generation, ObjectKey, RangeId};
use parking_lot::RwLock;

/// Ranges that are remembered; a cluster has few that hold identities.
const RANGES_MAX: usize = 1_024;

/// After which part of the time for which it counts a range is asked again.
const ASKED_EVERY: u32 = 5;

/// The state of a range's rows: its generation, and how many changes there were.
type Count = (Generation, u64);

/// What a value rests on: ranges and their counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::identity) struct Basis(Vec<(RangeId, Count)>);

impl Basis {
    /// Adds what another value rests on. Of two counts of a range the older one stays: one of the two rows may be of then.
    pub(in crate::identity) fn add(&mut self, other: &Self) {
        for (range, count) in &other.0 {
            match self.0.iter_mut().find(|(known, _)| known == range) {
                Some((_, known)) => *known = (*known).min(*count),
                None => self.0.push((*range, *count)),
            }
        }
    }
}

/// Whether a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It counts.
    Current,
    /// It counts, and its ranges are to be asked again.
    Due,
    /// Nothing was heard of a range for too long.
    Unheard,
    /// Rows of a range have changed since.
    Changed,
}

struct Heard {
    count: Count,
    /// When the range was asked that said so, by the steady clock; `None`: since then this process has written.
    asked_at: Option<Duration>,
    /// A key of the range, to ask it by.
    key: ObjectKey,
    is_being_asked: bool,
}

#[derive(Default)]
struct Ranges {
    heard: BTreeMap<RangeId, Heard>,
    /// How often this process has written.
    writes: u64,
}

/// What was heard of all ranges.
pub(super) struct Changes {
    ranges: RwLock<Ranges>,
    /// How long what was heard counts.
    age_max: Duration,
}

/// A question on its way to a range.
pub(super) struct AskedAt {
    at: Duration,
    writes: u64,
}

impl Changes {
    pub(super) fn new(age_max: Duration) -> Self {
        Self { ranges: RwLock::default(), age_max }
    }

    /// To be called before a range is asked.
    pub(super) fn asked(&self, at: Duration) -> AskedAt {
        AskedAt { at, writes: self.ranges.read().writes }
    }

    /// Notes what a range answered, by a key that it was asked for; what the row in the answer rests on.
    pub(super) fn note(&self, asked: &AskedAt, answer: &IdentityRow, key: &ObjectKey) -> Basis {
        let count = (answer.generation, answer.changes);
        let mut ranges = self.ranges.write();
        // What this process wrote meanwhile may be missing in the answer.
        let asked_at = (ranges.writes == asked.writes).then_some(asked.at);
        if ranges.heard.len() >= RANGES_MAX && !ranges.heard.contains_key(&answer.range) {
            ranges.heard.clear();
        }
        let new = || Heard { count, asked_at, key: key.clone(), is_being_asked: false };
        let heard = ranges.heard.entry(answer.range).or_insert_with(new);
        if count > heard.count {
            (heard.count, heard.asked_at, heard.key) = (count, asked_at, key.clone());
        } else if count == heard.count {
            heard.asked_at = heard.asked_at.max(asked_at);
        }
        Basis(vec![(answer.range, count)])
    }

    /// This process wrote, or tried to: nothing counts until it was heard of again.
    pub(super) fn doubt(&self) {
        let mut ranges = self.ranges.write();
        ranges.writes += 1;
        ranges.heard.values_mut().for_each(|heard| heard.asked_at = None);
    }

    /// Whether a value counts now.
    pub(super) fn standing(&self, basis: &Basis, now: Duration) -> Standing {
        let ranges = self.ranges.read();
        let of_range = |(range, count): &(RangeId, Count)| match ranges.heard.get(range) {
            None => Standing::Changed,
            Some(heard) if heard.count != *count => Standing::Changed,
            Some(heard) => match heard.asked_at.map(|at| now.saturating_sub(at)) {
                Some(age) if age < self.age_max / ASKED_EVERY => Standing::Current,
                Some(age) if age < self.age_max => Standing::Due,
                _ => Standing::Unheard,
            },
        };
        basis.0.iter().map(of_range).max().unwrap_or(Standing::Changed)
    }

    /// Keys by which the ranges of a basis can be asked.
    pub(super) fn keys_of(&self, basis: &Basis) -> Vec<ObjectKey> {
        let ranges = self.ranges.read();
        basis.0.iter().filter_map(|(range, _)| Some(ranges.heard.get(range)?.key.clone())).collect()
    }

    /// The ranges of a basis that are to be asked again and that nobody asks yet, by keys of theirs; the caller does.
    pub(super) fn begin_asking(&self, basis: &Basis, now: Duration) -> Vec<(RangeId, ObjectKey)> {
        let mut ranges = self.ranges.write();
        let is_due = |heard: &Heard| {
            let age = heard.asked_at.map(|at| now.saturating_sub(at));
            !heard.is_being_asked && age.is_none_or(|age| age >= self.age_max / ASKED_EVERY)
        };
        let begin = |(range, _): &(RangeId, Count)| {
            let heard = ranges.heard.get_mut(range).filter(|heard| is_due(heard))?;
            heard.is_being_asked = true;
            Some((*range, heard.key.clone()))
        };
        basis.0.iter().filter_map(begin).collect()
    }

    /// A range that was asked has answered, or has not.
    pub(super) fn end_asking(&self, range: RangeId) {
        if let Some(heard) = self.ranges.write().heard.get_mut(&range) {
            heard.is_being_asked = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_secs(5);

    fn key() -> ObjectKey {
        ObjectKey::new("user/a").unwrap()
    }

    fn said(range: u64, generation: u64, changes: u64) -> IdentityRow {
        IdentityRow { row: None, range: RangeId(range), generation: Generation(generation), changes }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_value_counts_while_its_ranges_say_the_same() {
        let changes = Changes::new(MAX);
        let mut basis = changes.note(&changes.asked(at(0)), &said(1, 1, 7), &key());
        assert_eq!(changes.standing(&basis, at(999)), Standing::Current);
        assert_eq!(changes.standing(&basis, at(1_000)), Standing::Due);
        assert_eq!(changes.standing(&basis, at(4_999)), Standing::Due);
        assert_eq!(changes.standing(&basis, at(5_000)), Standing::Unheard);
        changes.note(&changes.asked(at(4_000)), &said(1, 1, 7), &key());
        assert_eq!(changes.standing(&basis, at(4_500)), Standing::Current);
        // An answer that comes late says nothing new.
        changes.note(&AskedAt { at: at(1_000), writes: 0 }, &said(1, 1, 7), &key());
        changes.note(&AskedAt { at: at(4_400), writes: 0 }, &said(1, 1, 6), &key());
        assert_eq!(changes.standing(&basis, at(4_999)), Standing::Current);
        basis.add(&changes.note(&changes.asked(at(4_000)), &said(2, 1, 1), &key()));
        assert_eq!(changes.standing(&basis, at(4_999)), Standing::Current);
        changes.note(&changes.asked(at(4_500)), &said(2, 1, 2), &key());
        assert_eq!(changes.standing(&basis, at(4_999)), Standing::Changed);
        let other = changes.note(&changes.asked(at(4_500)), &said(1, 2, 7), &key());
        assert_eq!(changes.standing(&other, at(4_999)), Standing::Current, "the range was cut anew");
        assert_eq!(changes.standing(&Basis::default(), at(0)), Standing::Changed, "it rests on nothing");
    }

    #[test]
    fn of_two_counts_the_older_one_stays() {
        let changes = Changes::new(MAX);
        let old = changes.note(&changes.asked(at(0)), &said(1, 1, 7), &key());
        let new = changes.note(&changes.asked(at(0)), &said(1, 1, 8), &key());
        for (mut one, another) in [(old.clone(), &new), (new.clone(), &old)] {
            one.add(another);
            assert_eq!(one, old);
        }
    }

    #[test]
    fn what_this_process_wrote_is_heard_of_first() {
        let changes = Changes::new(MAX);
        let early = changes.asked(at(0));
        let basis = changes.note(&early, &said(1, 1, 7), &key());
        let during = changes.asked(at(10));
        changes.doubt();
        assert_eq!(changes.standing(&basis, at(20)), Standing::Unheard);
        changes.note(&during, &said(1, 1, 7), &key());
        assert_eq!(changes.standing(&basis, at(20)), Standing::Unheard, "it was asked before the write");
        changes.note(&changes.asked(at(20)), &said(1, 1, 8), &key());
        assert_eq!(changes.standing(&basis, at(20)), Standing::Changed);
    }

    #[test]
    fn a_range_is_asked_once_at_a_time() {
        let changes = Changes::new(MAX);
        let basis = changes.note(&changes.asked(at(0)), &said(1, 1, 7), &key());
        assert!(changes.begin_asking(&basis, at(999)).is_empty());
        assert_eq!(changes.begin_asking(&basis, at(1_000)).len(), 1);
        assert!(changes.begin_asking(&basis, at(1_000)).is_empty());
        changes.end_asking(RangeId(1));
        assert_eq!(changes.begin_asking(&basis, at(1_000)).len(), 1);
    }
}
