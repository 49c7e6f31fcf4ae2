//! The sweep: finds the blobs that had shards on a drive that was lost or emptied, and leaves repair
//! rows for them.
//!
//! The range's rows and the ring say where every chunk is; no drive is asked.
//! Promises: once a sweep for the losses of a map is finished, every blob that they concern and that a row names
//! has a repair row; those that are committed later get theirs with their row, for the range knows by which map the sweep
//! went before it begins. What was swept stands in a row of the range: another leader sweeps only for what is new. A page
//! of blobs whose rows cannot be left is tried again in the next round: it does not stop the sweep, which is not finished
//! before.
//! Must not know: how a blob is repaired.

use couronne_metadata::command::Command;
use couronne_metadata::ids::{BucketId, ObjectKey};
use couronne_metadata::marks::mark_degraded;
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::{BlobRef, RangeFacts, RepairRecord};

use super::super::data_loss::{DataLoss, Missing};
use super::super::error::DutyError;
use super::super::walk::BlobWalk;
use super::super::{DutyContext, ask, count, execute, some_key};
use crate::replicas::RangeServer;

/// Blobs looked at between two steps.
const BLOBS: u32 = 500;

/// Looks for blobs that losses concern, if some losses have not been looked for in this range.
pub(super) async fn sweep(context: &DutyContext, leader: &RangeServer) -> Result<(), DutyError> {
    let (range, progress) = (leader.descriptor().id, &context.repair);
    let swept = match progress.range(range, |range| range.swept) {
        Some(swept) => swept,
        None => read_mark(context, leader).await?,
    };
    if context.map.state().loss_version() <= swept {
        return Ok(());
    }
    let losses = DataLoss::since(context.map.state(), swept);
    let newest = losses.newest();
    let unfinished = progress.range(range, |range| range.unfinished.take()).filter(|(of, _)| *of == newest);
    let mut walk = match unfinished {
        Some((_, walk)) => walk,
        None => {
            tracing::info!(range = range.0, newest, "sweeping for blobs with shards on lost or emptied drives");
            progress.range(range, |range| range.looked = 0);
            say(context, leader, Command::BeginSweep { map_version: losses.map_version() }).await?;
            BlobWalk::new()
        }
    };
    let walked = walk_on(context, leader, &mut walk, &losses).await;
    if !walk.is_done() {
        progress.range(range, |range| range.unfinished = Some((newest, walk)));
        return walked;
    }
    say(context, leader, Command::EndSweep { map_version: newest }).await?;
    progress.range(range, |range| {
        range.swept = Some(newest);
        range.blobs = range.looked;
    });
    walked
}

/// What sweeps of this leader or those before it have finished.
async fn read_mark(context: &DutyContext, leader: &RangeServer) -> Result<u64, DutyError> {
    let swept = facts(leader).await?.marks.swept_version;
    context.repair.range(leader.descriptor().id, |range| range.swept = Some(swept));
    Ok(swept)
}

async fn facts(leader: &RangeServer) -> Result<RangeFacts, DutyError> {
    let Answer::Facts(facts) = ask(leader, Query::Facts).await? else { return Err(DutyError::WrongAnswer) };
    Ok(facts)
}

/// Tells the range how its sweep stands.
async fn say(context: &DutyContext, leader: &RangeServer, command: Command) -> Result<(), DutyError> {
    let key = some_key(leader.descriptor()).ok_or(DutyError::NoKey)?;
    execute(context, leader, key, command).await?;
    Ok(())
}

/// One round of a sweep over what is left of it.
async fn walk_on(
    context: &DutyContext,
    leader: &RangeServer,
    walk: &mut BlobWalk,
    losses: &DataLoss,
) -> Result<(), DutyError> {
    let (range, progress, mut walked) = (leader.descriptor().id, &context.repair, Ok(()));
    walk.begin_round();
    while let Some(page) = walk.next(leader, BLOBS).await {
        let marked = match page {
            Ok(page) => {
                let seen = u64::try_from(page.blobs.len()).unwrap_or(u64::MAX);
                progress.range(range, |range| range.looked = range.looked.saturating_add(seen));
                let degraded = degraded(&page.blobs, losses).await;
                // The rows are others now: what was listed no longer counts.
                progress.range(range, |range| range.snapshot = range.snapshot.take().filter(|_| degraded.is_empty()));
                let marked = mark(context, leader, degraded).await;
                if marked.is_err() {
                    walk.leave(page);
                }
                marked
            }
            Err(error) => Err(error),
        };
        if marked.is_err() {
            walked = marked;
            if leader.consensus().leadership().is_none() {
                break;
            }
        }
    }
    walked
}

/// The blobs of a page that have lost a shard.
async fn degraded(blobs: &[(BucketId, ObjectKey, BlobRef)], losses: &DataLoss) -> Vec<RepairRecord> {
    let mut degraded = Vec::new();
    for (bucket, key, blob) in blobs {
        // What cannot be told is looked at: one blob's trouble is not the others'.
        let Missing { new, all } = losses.missing(blob).unwrap_or(Missing { new: 1, all: 1 });
        if new > 0 {
            let row = RepairRecord::new(blob.clone(), *bucket, key.clone(), new);
            degraded.push(RepairRecord { losses: losses.newest(), found: 0, at_most: all, ..row });
        }
        // A blob may have thousands of chunks to be placed.
        tokio::task::yield_now().await;
    }
    degraded
}

/// Has the range leave repair rows, as many as can be; an error if some were not left.
pub(in crate::duties) async fn mark(
    context: &DutyContext,
    leader: &RangeServer,
    rows: Vec<RepairRecord>,
) -> Result<(), DutyError> {
    let key = some_key(leader.descriptor()).ok_or(DutyError::NoKey)?;
    count(&context.counters.blobs_degraded, u64::try_from(rows.len()).unwrap_or(u64::MAX));
    let mut marked = Ok(());
    for command in mark_degraded(rows) {
        if let Err(error) = execute(context, leader, key.clone(), command).await {
            marked = Err(error.into());
        }
    }
    marked
}
