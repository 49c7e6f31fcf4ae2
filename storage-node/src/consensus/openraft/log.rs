//! Our log in the library's form.
//!
//! Must not know: rows, messages.

use std::fmt;
use std::io;
use std::ops::{Bound, RangeBounds};

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::{LogState, OptionalSend, RaftLogReader};

use super::convert::{from_entry, from_vote, log_id, position, to_entry, to_vote};
use super::{MESSAGE_BYTES_MAX, Types};
use crate::log::{LogError, ReplicaLog};

/// One replica's log.
#[derive(Clone)]
pub(super) struct LogAdapter(pub(super) ReplicaLog);

impl RaftLogReader<Types> for LogAdapter {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<EntryOf<Types>>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + fmt::Debug + OptionalSend,
    {
        let (from, to) = bounds(&range);
        self.0.entries(from, to, usize::MAX).into_iter().map(to_entry).collect()
    }

    async fn read_vote(&mut self) -> Result<Option<VoteOf<Types>>, io::Error> {
        Ok(self.0.bounds().vote.map(to_vote))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<EntryOf<Types>>, io::Error> {
        self.0.entries(start, end, MESSAGE_BYTES_MAX).into_iter().map(to_entry).collect()
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(from) => from.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(to) => to.saturating_add(1),
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl RaftLogStorage<Types> for LogAdapter {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let bounds = self.0.bounds();
        Ok(LogState { last_purged_log_id: bounds.purged.map(log_id), last_log_id: bounds.last.map(log_id) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<Types>) -> Result<(), io::Error> {
        Ok(self.0.save_vote(from_vote(vote)).await?)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = EntryOf<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let done = move |result: Result<(), LogError>| callback.io_completed(result.map_err(io::Error::from));
        Ok(self.0.append(entries.into_iter().map(from_entry), Box::new(done))?)
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf<Types>>) -> Result<(), io::Error> {
        Ok(self.0.truncate_after(last.map(|id| id.index())).await?)
    }

    async fn purge(&mut self, upto: LogIdOf<Types>) -> Result<(), io::Error> {
        Ok(self.0.purge(position(&upto))?)
    }
}
