//! The scrubber, both ways: from shards to their owners, and from owners to their shards.
//!
//! Promises: every shard is read and checked once a round, at a bounded rate; a shard is deleted only
//! when the leader that owns its key disowns its blob; a blob that a row names and whose shards are
//! missing is rebuilt. In doubt nothing is deleted.
//! Must not know: how a chunk is rebuilt.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_metadata::query::{Answer, Ownership, Query};
use couronne_placement::{BlobId, ChunkId, ShardId};
use couronne_protocol::shard::{Owner, ShardError};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::chunk::{self, Chunk, Target};
use super::{ask, ask_owner, count, repairer};
use crate::drive::ListedShard;
use crate::node::{LocalNode, Slot};
use crate::range_server::RangeServer;

/// Shards listed at a time.
const SHARDS: usize = 256;

/// Blobs listed at a time.
const BLOBS: u32 = 256;

/// Between two pages of blobs.
const REST: Duration = Duration::from_millis(50);

/// One round over all drives and all ranges led here.
pub(super) async fn round(node: Arc<LocalNode>) {
    join_all(node.slots().map(|slot| scrub_drive(&node, slot))).await;
    for leader in node.leaders() {
        if let Err(error) = scrub_range(&node, &leader).await {
            tracing::warn!(range = leader.descriptor().id.0, error, "scrubbing a range goes on next round");
        }
    }
    count(&node.duties.counters.scrub_rounds, 1);
}

async fn scrub_drive(node: &LocalNode, slot: &Slot) {
    let mut after: Option<ShardId> = None;
    let mut disowned: Option<(BlobId, bool)> = None;
    loop {
        let Ok(drive) = slot.serving() else { return };
        let page = match drive.list(after, SHARDS) {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(drive = slot.name, %error, "scrubbing a drive goes on next round");
                return;
            }
        };
        let Some(last) = page.last() else { return };
        after = Some(last.shard);
        for listed in page {
            let blob = listed.shard.chunk.blob;
            let is_disowned = match disowned {
                Some((known, is_disowned)) if known == blob => is_disowned,
                _ => owner_disowns(node, &listed).await,
            };
            disowned = Some((blob, is_disowned));
            if is_disowned {
                delete_orphan(node, slot, &listed).await;
            } else {
                scrub_shard(node, slot, &listed).await;
            }
            pace(node, u64::from(listed.shard_len)).await;
        }
    }
}

/// Rests as long as reading so many bytes may take at the scrubber's rate.
async fn pace(node: &LocalNode, bytes: u64) {
    let rate = node.duties.settings.scrub_bytes_per_second.max(1);
    sleep(Duration::from_micros(bytes.saturating_mul(1_000_000) / rate)).await;
}

/// Only a leader's clear "no" counts.
async fn owner_disowns(node: &LocalNode, listed: &ListedShard) -> bool {
    let query = Query::OwnsBlob { key: listed.owner.key.clone(), blob: listed.shard.chunk.blob };
    let answer = ask_owner(node, &listed.owner, query).await;
    matches!(answer, Ok(Answer::OwnsBlob(Ownership::Disowned)))
}

async fn delete_orphan(node: &LocalNode, slot: &Slot, listed: &ListedShard) {
    let Ok(drive) = slot.serving() else { return };
    if !node.duties.clock.trusts() {
        return;
    }
    match drive.delete_shard(listed.shard).await {
        Ok(deleted) => count(&node.duties.counters.orphans_deleted, u64::from(deleted)),
        Err(error) => tracing::warn!(drive = slot.name, %error, "orphan stays until the next round"),
    }
}

async fn scrub_shard(node: &LocalNode, slot: &Slot, listed: &ListedShard) {
    let Ok(drive) = slot.serving() else { return };
    count(&node.duties.counters.shards_scrubbed, 1);
    match drive.verify(listed.shard).await {
        Ok(_) | Err(ShardError::NotFound | ShardError::Down(_)) => {}
        Err(error) => {
            tracing::warn!(drive = slot.name, shard = ?listed.shard, %error, "shard does not verify");
            let report = (slot.id, listed.shard, listed.owner.clone());
            if let Err(error) = repairer::repair_reported(node, &report).await {
                tracing::warn!(shard = ?listed.shard, error, "damaged shard is not repaired");
            }
        }
    }
}

/// Looks for every shard of every blob that the range names.
async fn scrub_range(node: &LocalNode, leader: &RangeServer) -> Result<(), String> {
    let mut after = Bytes::new();
    loop {
        let query = Query::Blobs { after: after.clone(), limit: BLOBS };
        let answer = ask(leader, query).await.map_err(|error| error.to_string())?;
        let Answer::Blobs(blobs, next) = answer else { return Err("wrong answer".to_owned()) };
        for (bucket, key, blob) in blobs {
            let owner = Owner { bucket, key };
            for index in 0..blob.geometry.chunks(blob.len) {
                let index = u32::try_from(index).map_err(|error| error.to_string())?;
                let chunk = ChunkId { blob: blob.id, index };
                let (geometry, policy) = (blob.geometry, blob.policy);
                let target = Target { owner: &owner, chunk, geometry, policy, wrong: None };
                if chunk::repair(node, &target).await? == Chunk::Repaired {
                    count(&node.duties.counters.shards_damaged, 1);
                }
            }
        }
        match next {
            Some(next) => after = next,
            None => return Ok(()),
        }
        sleep(REST).await;
    }
}
