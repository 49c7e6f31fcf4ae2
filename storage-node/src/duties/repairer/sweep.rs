//! The sweep: finds the blobs that had shards on a drive that was lost or emptied, and leaves repair
//! rows for them.
//!
//! The range's rows and the ring say where every chunk is; no drive is asked.
//! Promises: once a sweep for a set of events is finished, every blob that they concern and that a row names
//! has a repair row; those that are committed later get theirs with their row ([`DataLoss`]).
//! Must not know: how a blob is repaired.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use couronne_metadata::command::Command;
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::RepairRecord;
use couronne_protocol::map::MapSource;

use super::super::error::DutyError;
use super::super::{DutyContext, ask, count, execute, some_key};
use crate::replicas::{DataLoss, LossEvent, RangeServer};

/// Blobs looked at between two steps.
const BLOBS: u32 = 500;

/// Looks for blobs that the events concern, if some have not been looked for in this range.
pub(super) async fn sweep(
    context: &DutyContext,
    leader: &RangeServer,
    events: &BTreeSet<LossEvent>,
) -> Result<(), DutyError> {
    let (range, progress) = (leader.descriptor().id, &context.repair);
    let news: BTreeSet<LossEvent> = progress.range(range, |range| events.difference(&range.swept).copied().collect());
    if news.is_empty() {
        progress.range(range, |range| range.swept.clone_from(events));
        return Ok(());
    }
    tracing::info!(range = range.0, events = news.len(), "sweeping for blobs with shards on lost or emptied drives");
    progress.range(range, |range| range.looked = 0);
    let key = some_key(leader.descriptor()).ok_or(DutyError::NoKey)?;
    let losses = Arc::new(DataLoss::new(events.clone(), context.map.current()));
    leader.take_note_of(Arc::clone(&losses)).await?;
    let (mut after, mut seen) = (Bytes::new(), 0u64);
    loop {
        let query = Query::Blobs { after: after.clone(), limit: BLOBS };
        let answer = ask(leader, query).await?;
        let Answer::Blobs(blobs, next) = answer else { return Err(DutyError::WrongAnswer) };
        seen += u64::try_from(blobs.len()).unwrap_or(u64::MAX);
        let mut degraded = Vec::new();
        for (bucket, key, blob) in blobs {
            let missing = losses.missing(&blob, &news)?;
            if missing > 0 {
                degraded.push(RepairRecord { blob, bucket, key, missing });
            }
            // A blob may have thousands of chunks to be placed.
            tokio::task::yield_now().await;
        }
        mark(context, leader, key.clone(), degraded).await?;
        progress.range(range, |range| range.looked = seen);
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    progress.range(range, |range| {
        range.swept.clone_from(events);
        range.blobs = seen;
        // The rows are others now: what was listed no longer counts.
        range.snapshot = None;
    });
    Ok(())
}

/// Has the range leave repair rows.
pub(in crate::duties) async fn mark(
    context: &DutyContext,
    leader: &RangeServer,
    key: (couronne_metadata::ids::BucketId, couronne_metadata::ids::ObjectKey),
    blobs: Vec<RepairRecord>,
) -> Result<(), DutyError> {
    if blobs.is_empty() {
        return Ok(());
    }
    count(&context.counters.blobs_degraded, u64::try_from(blobs.len()).unwrap_or(u64::MAX));
    let marked = execute(context, leader, key, Command::MarkDegraded { blobs }).await;
    Ok(marked.map(drop)?)
}
