//! What a drive's log holds of one replica, in memory: its vote and its entries not yet purged.
//!
//! The same rules apply while the log runs and when it is read back, so a restart ends where the
//! written records end. Entries stay in memory until purged: the bound on the log's size bounds them,
//! and the replicas of one process share the payloads' bytes.
//! Must not know: files, consensus rules.

use std::collections::VecDeque;

use super::record::Record;
use super::types::{Entry, Position, Vote};
use couronne_base::fixed::Malformed;

/// One replica's log.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplicaState {
    pub(super) vote: Option<Vote>,
    pub(super) purged: Option<Position>,
    /// Consecutive; the first follows `purged`.
    pub(super) entries: VecDeque<Entry>,
    pub(super) destroyed: bool,
    /// While a log is read back: entries up to this index lay in files that are no longer needed, and
    /// a purge that says so must follow.
    pub(super) retired: Option<u64>,
}

impl ReplicaState {
    /// The index the next entry must have, if any entry or purge came before.
    fn next_index(&self) -> Option<u64> {
        let last = self.last()?;
        last.index.checked_add(1)
    }

    /// The last position: of the last entry, or of what was purged.
    pub(super) fn last(&self) -> Option<Position> {
        self.entries.back().map(|entry| entry.position).or(self.purged)
    }

    /// Whether no entry up to `index` is needed any more.
    pub(super) fn is_past(&self, index: u64) -> bool {
        self.destroyed || self.entries.front().is_none_or(|first| first.position.index > index)
    }

    /// The record that says what came before the entries.
    pub(super) fn base(&self) -> Record {
        Record::Base { vote: self.vote, purged: self.purged, destroyed: self.destroyed }
    }

    /// Applies one record that is read back. Where the oldest file begins in the midst of a replica's
    /// entries, those before lay in files retired since; [`Self::is_whole`] must hold in the end.
    pub(super) fn replay(&mut self, record: Record) -> Result<(), Malformed> {
        if let Record::Entry(entry) = &record
            && self.entries.is_empty()
            && entry.position.index > self.next_index().unwrap_or(0)
        {
            let before = entry.position.index.saturating_sub(1);
            self.purged = Some(Position { term: entry.position.term, index: before });
            self.retired = Some(before);
            self.entries.push_back(entry.clone());
            return Ok(());
        }
        if let (Record::Purge(upto) | Record::Base { purged: Some(upto), .. }, Some(before)) = (&record, self.retired)
            && upto.index >= before
        {
            self.retired = None;
            self.purged = Some(*upto);
        }
        self.apply(record)
    }

    /// Whether nothing is missing that was not purged.
    pub(super) const fn is_whole(&self) -> bool {
        self.destroyed || self.retired.is_none()
    }

    /// Applies one record. An entry that does not follow the last is refused: a log has no holes.
    pub(super) fn apply(&mut self, record: Record) -> Result<(), Malformed> {
        match record {
            Record::Entry(entry) => return self.append(entry),
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Truncate(keep) => {
                let kept = |entry: &Entry| keep.is_some_and(|keep| entry.position.index <= keep);
                while self.entries.back().is_some_and(|last| !kept(last)) {
                    self.entries.pop_back();
                }
            }
            Record::Purge(upto) => self.purge(upto),
            Record::Retire(_) => {}
            Record::Destroy => {
                *self = Self { destroyed: true, ..Self::default() };
            }
            Record::Base { vote, purged, destroyed } => {
                self.vote = vote.or(self.vote);
                if let Some(purged) = purged {
                    self.purge(purged);
                }
                if destroyed {
                    *self = Self { destroyed: true, ..Self::default() };
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, entry: Entry) -> Result<(), Malformed> {
        let index = entry.position.index;
        if self.purged.is_some_and(|purged| index <= purged.index) {
            return Ok(());
        }
        if self.next_index().is_some_and(|next| index != next) {
            return Err(Malformed("log: entry out of order"));
        }
        self.entries.push_back(entry);
        Ok(())
    }

    fn purge(&mut self, upto: Position) {
        if self.purged.is_none_or(|purged| purged < upto) {
            self.purged = Some(upto);
        }
        while self.entries.front().is_some_and(|first| first.position.index <= upto.index) {
            self.entries.pop_front();
        }
    }

    /// Entries of `from..to` that are here, stopping before `bytes_max` bytes are passed (at least one).
    pub(super) fn range(&self, from: u64, to: u64, bytes_max: usize) -> Vec<Entry> {
        let Some(first) = self.entries.front().map(|entry| entry.position.index) else { return Vec::new() };
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut taken = 0usize;
        let entries = self.entries.iter().skip(skip).take_while(|entry| {
            let is_first = taken == 0;
            taken = taken.saturating_add(entry.payload.bytes().max(1));
            entry.position.index < to && (is_first || taken <= bytes_max)
        });
        entries.cloned().collect()
    }
}
