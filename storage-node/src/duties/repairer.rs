//! The repairer: makes blobs whole that were written with a shard off its primary, or that a reader
//! found damaged.
//!
//! Promises: a repair row goes only when every shard of the blob is on its primary; a report is
//! believed only for a blob that its owner still names.
//! Must not know: how a chunk is rebuilt.

use std::sync::Arc;
use std::time::Duration;

use couronne_metadata::command::Command;
use couronne_metadata::query::{Answer, Ownership, Query};
use couronne_metadata::record::RepairRecord;
use couronne_placement::{BlobId, ChunkId};
use couronne_protocol::map::MapSource;
use couronne_protocol::shard::{GetShard, Owner};
use tokio::time::sleep;

use super::chunk::{self, Chunk, Target};
use super::{Report, ask, ask_owner, count, execute};
use crate::node::LocalNode;
use crate::range_server::RangeServer;

/// Rows taken at a time.
const ROWS: u32 = 100;

/// The rest after a round that left blobs wanting.
const WANTING_REST: Duration = Duration::from_secs(30);

/// One round: what readers reported, then every repair row of the ranges led here.
pub(super) async fn round(node: Arc<LocalNode>) {
    loop {
        let report = node.duties.reports.lock().pop_front();
        let Some(report) = report else { break };
        if let Err(error) = repair_reported(&node, &report).await {
            tracing::warn!(shard = ?report.1, error, "reported shard is not repaired");
        }
    }
    let mut wanting = 0;
    for leader in node.leaders() {
        match repair_rows(&node, &leader).await {
            Ok(left) => wanting += left,
            Err(error) => tracing::warn!(range = leader.descriptor().id.0, error, "repair goes on later"),
        }
    }
    if wanting > 0 {
        // Their drives are away: looking again at once would only burn time.
        sleep(WANTING_REST).await;
    }
}

/// Goes through the repair rows of a range; how many blobs are not whole yet.
async fn repair_rows(node: &LocalNode, leader: &RangeServer) -> Result<u64, String> {
    let mut wanting = 0;
    let mut after: Option<BlobId> = None;
    loop {
        let answer = ask(leader, Query::Repair { after, limit: ROWS }).await.map_err(|error| error.to_string())?;
        let Answer::Repair(rows) = answer else { return Err("wrong answer".to_owned()) };
        let Some(last) = rows.last() else { return Ok(wanting) };
        after = Some(last.blob.id);
        for row in rows {
            if is_whole(node, &row).await? {
                let (owner, blob) = ((row.bucket, row.key), row.blob.id);
                let repaired = execute(node, leader, owner, Command::Repaired { blob }).await;
                repaired.map_err(|error| error.to_string())?;
            } else {
                wanting += 1;
            }
        }
    }
}

/// Repairs every chunk of a blob; whether all are whole now.
async fn is_whole(node: &LocalNode, row: &RepairRecord) -> Result<bool, String> {
    let owner = Owner { bucket: row.bucket, key: row.key.clone() };
    let (geometry, policy) = (row.blob.geometry, row.blob.policy);
    let mut whole = true;
    for index in 0..geometry.chunks(row.blob.len) {
        let index = u32::try_from(index).map_err(|error| error.to_string())?;
        let chunk = ChunkId { blob: row.blob.id, index };
        let target = Target { owner: &owner, chunk, geometry, policy, wrong: None };
        whole &= chunk::repair(node, &target).await? != Chunk::Wanting;
    }
    Ok(whole)
}

/// Repairs the chunk of a shard that was missing or wrong.
pub(super) async fn repair_reported(node: &LocalNode, (drive, shard, owner): &Report) -> Result<Chunk, String> {
    let query = Query::OwnsBlob { key: owner.key.clone(), blob: shard.chunk.blob };
    let answer = ask_owner(node, owner, query).await.map_err(|error| error.to_string())?;
    if answer != Answer::OwnsBlob(Ownership::Owned) {
        return Ok(Chunk::Whole);
    }
    count(&node.duties.counters.shards_damaged, 1);
    // Any shard of the chunk tells how it is encoded.
    let mut geometry = None;
    for number in 0..couronne_placement::SHARDS_MAX {
        let id = couronne_placement::ShardId { chunk: shard.chunk, number };
        for slot in node.slots() {
            let Ok(drive) = slot.serving() else { continue };
            let found = drive.get_shard(GetShard { shard: id, first_frame: 0, frames: 0 }).await;
            geometry = geometry.or(found.ok().map(|found| found.geometry));
        }
        if geometry.is_some() {
            break;
        }
    }
    let Some(geometry) = geometry else { return Ok(Chunk::Wanting) };
    let policy = node.current().default_policy;
    // It is wrong only if it is there and does not verify; else it is missing, or was put back since.
    let wrong = match node.slot(*drive).and_then(|slot| slot.serving().ok()) {
        Some(serving) => serving.verify(*shard).await.is_err().then_some((*drive, shard.number)),
        None => None,
    };
    chunk::repair(node, &Target { owner, chunk: shard.chunk, geometry, policy, wrong }).await
}
