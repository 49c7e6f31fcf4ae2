//! The sweep: finds the blobs that had shards on a drive that was lost or emptied, and leaves repair
//! rows for them.
//!
//! The range's rows and the ring say where every chunk is; no drive is asked.
//! Promises: once a sweep for a set of causes is finished, every blob that a row named when it passed
//! and that they concern has a repair row. Must not know: how a blob is repaired.

use std::collections::BTreeSet;

use bytes::Bytes;
use couronne_metadata::command::Command;
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::{BlobRef, RepairRecord};
use couronne_placement::{ChunkId, place};
use couronne_protocol::map::{ClusterMap, MapSource};
use couronne_ring::DriveId;

use super::super::standing::Cause;
use super::super::{ask, count, execute, some_key};
use crate::node::LocalNode;
use crate::range_server::RangeServer;

/// Blobs looked at between two steps.
const BLOBS: u32 = 500;

/// Looks for blobs that the causes concern, if some have not been looked for in this range.
pub(super) async fn sweep(node: &LocalNode, leader: &RangeServer, causes: &BTreeSet<Cause>) -> Result<(), String> {
    let (range, progress) = (leader.descriptor().id, &node.duties.repair);
    let news: BTreeSet<Cause> = progress.range(range, |range| causes.difference(&range.swept).copied().collect());
    if news.is_empty() {
        progress.range(range, |range| range.swept.clone_from(causes));
        return Ok(());
    }
    tracing::info!(range = range.0, causes = news.len(), "looking for blobs with shards on drives lost or emptied");
    progress.range(range, |range| range.looked = 0);
    let key = some_key(leader.descriptor()).ok_or("the range has no key")?;
    let (mut after, mut seen) = (Bytes::new(), 0u64);
    loop {
        let query = Query::Blobs { after: after.clone(), limit: BLOBS };
        let answer = ask(leader, query).await.map_err(|error| error.to_string())?;
        let Answer::Blobs(blobs, next) = answer else { return Err("wrong answer".to_owned()) };
        seen += u64::try_from(blobs.len()).unwrap_or(u64::MAX);
        let map = node.current();
        let mut degraded = Vec::new();
        for (bucket, key, blob) in blobs {
            let missing = missing(&map, &blob, causes, &news)?;
            if missing > 0 {
                degraded.push(RepairRecord { blob, bucket, key, missing });
            }
            // A blob may have thousands of chunks to be placed.
            tokio::task::yield_now().await;
        }
        mark(node, leader, key.clone(), degraded).await?;
        progress.range(range, |range| range.looked = seen);
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    progress.range(range, |range| {
        range.swept.clone_from(causes);
        range.blobs = seen;
        // The rows are others now: what was listed no longer counts.
        range.standing = None;
    });
    Ok(())
}

/// Has the range leave repair rows.
pub(in crate::duties) async fn mark(
    node: &LocalNode,
    leader: &RangeServer,
    key: (couronne_metadata::ids::BucketId, couronne_metadata::ids::ObjectKey),
    blobs: Vec<RepairRecord>,
) -> Result<(), String> {
    if blobs.is_empty() {
        return Ok(());
    }
    count(&node.duties.counters.blobs_marked, u64::try_from(blobs.len()).unwrap_or(u64::MAX));
    let marked = execute(node, leader, key, Command::MarkDegraded { blobs }).await;
    marked.map(drop).map_err(|error| error.to_string())
}

/// How many shards of the blob's worst chunk the causes may have taken; 0 if none of `news` has.
fn missing(map: &ClusterMap, blob: &BlobRef, causes: &BTreeSet<Cause>, news: &BTreeSet<Cause>) -> Result<u8, String> {
    let concerning = |causes: &BTreeSet<Cause>| -> BTreeSet<DriveId> {
        let concerning = causes.iter().filter(|cause| cause.concerns(blob.id.birth_ms()));
        concerning.map(|cause| cause.drive()).collect()
    };
    let (all, new) = (concerning(causes), concerning(news));
    if new.is_empty() {
        return Ok(0);
    }
    let ring = map.rings.get(&blob.policy).ok_or("a blob's policy is unknown")?;
    let (mut worst, mut is_new) = (0, false);
    for index in 0..blob.geometry.chunks(blob.len) {
        let index = u32::try_from(index).map_err(|error| error.to_string())?;
        let placement = place(ring, ChunkId { blob: blob.id, index }, &blob.geometry);
        let primaries = placement.map_err(|error| error.to_string())?.primaries;
        is_new |= primaries.iter().any(|drive| new.contains(drive));
        worst = worst.max(primaries.iter().filter(|drive| all.contains(drive)).count());
    }
    Ok(if is_new { u8::try_from(worst).unwrap_or(u8::MAX) } else { 0 })
}
