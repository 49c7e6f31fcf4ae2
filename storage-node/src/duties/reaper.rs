//! The reaper: has the drives delete what a range dropped, then drops the reap row.
//!
//! Promises: only rows that are due and that a leader reads under its lease are acted upon, and of these only blobs whose
//! own row says, immediately before, that nothing names them; the row goes only after every drive of the map that is up
//! answered that its shards are durably deleted. What a drive that is away, or slow, still holds, the scrubber finds when
//! it is back.
//! Must not know: why a blob was dropped.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::mutant;
use couronne_metadata::command::Command;
use couronne_metadata::query::{Answer, Ownership, Query};
use couronne_metadata::record::{BlobRef, ReapRecord, ReapTarget};
use couronne_placement::BlobId;
use couronne_protocol::shard::{Owner, ShardDuties, ShardError};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::error::DutyError;
use super::settings::DutySettings;
use super::{Duty, DutyContext, ask, ask_about, count, execute};
use crate::replicas::RangeServer;

/// Rows taken at a time: as many deletions share a sync.
const ROWS: u32 = 64;

/// How long a drive may take to delete a blob's shards.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// The reaper.
pub(super) struct Reaper;

#[async_trait]
impl Duty for Reaper {
    const NAME: &'static str = "reaper";

    /// Rows done away with, and shards deleted.
    type Status = (u64, u64);

    fn status(context: &DutyContext) -> (u64, u64) {
        let counters = context.counters();
        (counters.reaped, counters.shards_deleted)
    }

    fn interval(settings: &DutySettings) -> Duration {
        settings.reap_interval
    }

    /// Everything that is due in the ranges led here.
    async fn round(&mut self, context: &DutyContext) {
        for leader in context.replicas.leaders() {
            while context.clock.trusts() {
                match reap_some(context, &leader).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(range = leader.descriptor().id.0, %error, "reaping goes on later");
                        break;
                    }
                }
            }
        }
    }
}

/// Reaps a page of rows; `true` if more may be due.
async fn reap_some(context: &DutyContext, leader: &RangeServer) -> Result<bool, DutyError> {
    let now_ms = context.env.clock.wall_ms();
    let answer = ask(leader, Query::Reap { now_ms, limit: ROWS }).await?;
    let Answer::Reap(rows) = answer else { return Err(DutyError::WrongAnswer) };
    let more = u32::try_from(rows.len()).is_ok_and(|found| found == ROWS);
    let reaped = join_all(rows.into_iter().map(|row| reap(context, leader, row))).await;
    reaped.into_iter().collect::<Result<Vec<()>, DutyError>>()?;
    Ok(more)
}

async fn reap(
    context: &DutyContext,
    leader: &RangeServer,
    (row, record, parts): (Bytes, ReapRecord, Vec<BlobRef>),
) -> Result<(), DutyError> {
    let blobs: Vec<BlobId> = match &record.target {
        ReapTarget::Blob(blob) => vec![blob.id],
        ReapTarget::Upload(_) | ReapTarget::Parts { .. } => parts.iter().map(|part| part.id).collect(),
    };
    let owner = Owner { bucket: record.bucket, key: record.key };
    for blob in blobs {
        if is_dropped(leader, blob, &owner).await? || mutant!(ReapUnlooked) {
            delete(context, blob, &owner).await?;
        } else {
            tracing::error!(%blob, row = ?record.target, "what was to be reaped is not dropped, and stays");
        }
    }
    let owner = (owner.bucket, owner.key);
    execute(context, leader, owner, Command::Reaped { row }).await?;
    count(&context.counters.reaped, 1);
    Ok(())
}

/// The last look before a blob is deleted, at its own row: a reap row alone deletes nothing.
async fn is_dropped(leader: &RangeServer, blob: BlobId, owner: &Owner) -> Result<bool, DutyError> {
    let query = Query::OwnsBlob { key: owner.key.clone(), blob };
    Ok(ask_about(leader, owner.bucket, query).await? == Answer::OwnsBlob(Ownership::Dropped))
}

async fn delete(context: &DutyContext, blob: BlobId, owner: &Owner) -> Result<(), DutyError> {
    let up = context.drive_snapshot().up;
    let deleting = up.into_iter().map(|drive| async move {
        (drive, timeout(ANSWER_WAIT, context.routes.delete_blob(drive, blob, owner)).await)
    });
    for (drive, deleted) in join_all(deleting).await {
        match deleted {
            Ok(Ok(shards)) => count(&context.counters.shards_deleted, shards),
            // It went away since: as one that was away before.
            Ok(Err(ShardError::Down(_))) if !context.drive_snapshot().up.contains(&drive) => {}
            Ok(Err(error)) => return Err(error.into()),
            // It hangs: the next round leaves it out.
            Err(_) if !context.drive_snapshot().up.contains(&drive) => {}
            Err(_) => return Err(DutyError::NoAnswer(drive)),
        }
    }
    Ok(())
}
