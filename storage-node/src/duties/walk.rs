//! A walk over all blobs that a range names, page by page, for duties that must not miss one.
//!
//! Promises: a page that was not listed, or that the duty left, is walked again in the next round, and the walk is done
//! only when none is left; one page's trouble is not the others'. What is left is bounded in memory, however many pages
//! fail: then some are walked once more than needed.
//! Must not know: what a duty does with a blob.

use std::collections::VecDeque;

use couronne_metadata::ids::{BucketId, ObjectKey};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::BlobRef;
use couronne_placement::BlobId;

use super::ask;
use super::error::DutyError;
use crate::replicas::RangeServer;

/// Stretches that are left at most; beyond, the last one takes in what lies between.
const LEFT_MAX: usize = 1000;

/// The blobs behind one, up to and with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    /// Unset: from the first blob on.
    after: Option<BlobId>,
    /// Unset: to the last blob.
    until: Option<BlobId>,
}

/// A page of blobs, in the order of their ids.
pub(super) struct BlobPage {
    /// The blobs, with their owners.
    pub(super) blobs: Vec<(BucketId, ObjectKey, BlobRef)>,
    stretch: Stretch,
}

/// How far a walk got.
pub(super) struct BlobWalk {
    /// To be walked in this round.
    ahead: VecDeque<Stretch>,
    /// To be walked in the next one.
    left: Vec<Stretch>,
}

impl BlobWalk {
    /// A walk over all blobs.
    pub(super) fn new() -> Self {
        Self { ahead: VecDeque::new(), left: vec![Stretch { after: None, until: None }] }
    }

    /// Begins a round over what is left.
    pub(super) fn begin_round(&mut self) {
        let mut ahead: Vec<Stretch> = self.ahead.drain(..).chain(self.left.drain(..)).collect();
        ahead.sort_unstable_by_key(|stretch| stretch.after);
        self.ahead = ahead.into();
    }

    /// Whether every page was listed, and none was left.
    pub(super) fn is_done(&self) -> bool {
        self.ahead.is_empty() && self.left.is_empty()
    }

    /// The next page of this round, of about so many blobs; `None` at its end.
    pub(super) async fn next(&mut self, leader: &RangeServer, limit: u32) -> Option<Result<BlobPage, DutyError>> {
        let stretch = self.ahead.pop_front()?;
        let error = match ask(leader, Query::Blobs { after: stretch.after, limit }).await {
            Ok(Answer::Blobs(blobs, next)) => return Some(Ok(BlobPage { blobs, stretch: self.cut(stretch, next) })),
            Ok(_) => DutyError::WrongAnswer,
            Err(error) => error.into(),
        };
        self.leave_stretch(stretch);
        Some(Err(error))
    }

    /// The page's part of a stretch; what is behind it comes next.
    fn cut(&mut self, stretch: Stretch, next: Option<BlobId>) -> Stretch {
        let Stretch { after, until } = stretch;
        let is_within = |next: &BlobId| until.is_none_or(|until| *next < until);
        let Some(end) = next.filter(is_within) else { return stretch };
        self.ahead.push_front(Stretch { after: Some(end), until });
        Stretch { after, until: Some(end) }
    }

    /// Leaves a page to the next round.
    pub(super) fn leave(&mut self, page: BlobPage) {
        self.leave_stretch(page.stretch);
    }

    /// Within a round stretches come in the order of their rows.
    fn leave_stretch(&mut self, stretch: Stretch) {
        let is_crowded = self.left.len() >= LEFT_MAX;
        match self.left.last_mut() {
            Some(last) if is_crowded || (last.until.is_some() && last.until == stretch.after) => {
                last.until = stretch.until
            }
            _ => self.left.push(stretch),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use couronne_placement::Binding;

    use super::*;

    fn row(number: u32) -> BlobId {
        BlobId::new(u64::from(number), [0; 10], Binding::to(b"bucket", b"key"))
    }

    /// Walks rows 1 to `rows`, ten a page; the rows of the pages that did not fail.
    fn round(walk: &mut BlobWalk, rows: u32, fails: impl Fn(u32) -> bool) -> Vec<u32> {
        let number = |row: Option<BlobId>| row.map_or(0, |row| u32::try_from(row.birth_ms()).unwrap());
        let mut walked = Vec::new();
        walk.begin_round();
        while let Some(stretch) = walk.ahead.pop_front() {
            let first = number(stretch.after) + 1;
            let last = (first + 9).min(rows);
            let page = walk.cut(stretch, (last < rows).then(|| row(last)));
            if (first..=last).any(&fails) { walk.leave_stretch(page) } else { walked.extend(first..=last) }
        }
        walked
    }

    #[test]
    fn a_page_that_fails_is_skipped_and_walked_again_and_the_walk_is_not_done_before() {
        let mut walk = BlobWalk::new();
        let fails = |row| matches!(row, 15 | 21 | 77);
        assert!(!walk.is_done());
        let walked = round(&mut walk, 95, fails);
        assert_eq!(walked, (1..=10).chain(31..=70).chain(81..=95).collect::<Vec<u32>>());
        assert!(!walk.is_done());
        assert_eq!(round(&mut walk, 95, |row| row == 15), (21..=30).chain(71..=80).collect::<Vec<u32>>());
        assert!(!walk.is_done());
        assert_eq!(round(&mut walk, 95, |_| false), (11..=20).collect::<Vec<u32>>());
        assert!(walk.is_done());
        assert_eq!(round(&mut walk, 95, |_| false), []);
    }

    #[test]
    fn what_is_left_is_bounded_and_nothing_is_forgotten() {
        let mut walk = BlobWalk::new();
        let rows = 60_000;
        let fails = |row: u32| (row / 10).is_multiple_of(2);
        let walked = round(&mut walk, rows, |row| fails(row - 1));
        assert_eq!(walked.len(), 30_000);
        assert_eq!(walk.left.len(), LEFT_MAX);
        let again = round(&mut walk, rows, |_| false);
        assert!(walk.is_done());
        assert!((1..=rows).filter(|row| fails(row - 1)).all(|row| again.binary_search(&row).is_ok()));
    }
}
